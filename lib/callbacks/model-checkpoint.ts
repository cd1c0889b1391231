// modelCheckpoint: saves the model, or its weights, during training.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkOptions, type NamesOf, optionalNumber } from '../arguments'
import { ArgumentError } from '../errors'
import { checkPath, fileError } from '../io/file-errors'
import type { AnyModel } from '../models/model'
import type { Callback, Logs } from './callback'
import { Monitor, type MonitorMode } from './monitor'

export interface ModelCheckpointOptions {
  /** Where to save. `{epoch:02d}`, `{batch}`, `{val_loss:.2f}` and so on are replaced; the epoch counts from 1. Folders are made. */
  filepath: string
  /** Key in the logs that decides which is the best. Default `val_loss`. */
  monitor?: string | undefined
  /** 1 prints each file that is saved. Default 0. */
  verbose?: 0 | 1 | undefined
  /** Saves only when the monitored quantity is better than ever before. Default false. */
  saveBestOnly?: boolean | undefined
  /** Saves by `saveWeights` instead of `save`. Default false. */
  saveWeightsOnly?: boolean | undefined
  mode?: MonitorMode | undefined
  /** After each epoch, or after so many batches (then fit waits for each batch). Default `epoch`. */
  saveFreq?: 'epoch' | number | undefined
  /** What the monitored quantity must beat at first. */
  initialValueThreshold?: number | undefined
}

const modelCheckpointOptions: NamesOf<ModelCheckpointOptions> = {
  filepath: 'required',
  monitor: 'optional',
  verbose: 'optional',
  saveBestOnly: 'optional',
  saveWeightsOnly: 'optional',
  mode: 'optional',
  saveFreq: 'optional',
  initialValueThreshold: 'optional'
}

/**
 * Saves the model after each epoch, or the best one only. A file appears whole or not at all.
 * @example callbacks.modelCheckpoint({ filepath: 'models/{epoch:02d}-{val_loss:.2f}.safetensors', saveBestOnly: true })
 */
export function modelCheckpoint(options: ModelCheckpointOptions): Callback {
  const {
    filepath,
    monitor: key = 'val_loss',
    verbose = 0,
    saveBestOnly = false,
    saveWeightsOnly = false,
    mode = 'auto'
  } = checkOptions('modelCheckpoint', options, modelCheckpointOptions)
  const { saveFreq = 'epoch', initialValueThreshold } = options
  checkPath('modelCheckpoint', 'filepath', filepath)
  if (saveFreq !== 'epoch' && !(Number.isInteger(saveFreq) && saveFreq > 0)) {
    throw new ArgumentError(`[modelCheckpoint] expected saveFreq to be "epoch" or a number of batches, received ${saveFreq}`)
  }
  const monitor = new Monitor('modelCheckpoint', key, mode)
  let best = optionalNumber('modelCheckpoint', 'initialValueThreshold', initialValueThreshold)
  let epoch = 0
  let batches = 0

  const save = async (values: Record<string, number>, logs: Logs, model: AnyModel): Promise<void> => {
    if (saveBestOnly) {
      const value = monitor.value(logs)
      if (value === undefined || !monitor.improves(value, best, model)) return
      best = value
    }
    const path = formatPath(filepath, { ...logs, ...values })
    await mkdir(dirname(path), { recursive: true }).catch((cause) => {
      throw fileError('written', path, cause)
    })
    await (saveWeightsOnly ? model.saveWeights(path) : model.save(path))
    if (verbose > 0) console.log(`Epoch ${values.epoch}: saved ${path}`)
  }
  if (saveFreq === 'epoch') return { onEpochEnd: (e, logs, model) => save({ epoch: e + 1 }, logs, model) }
  return {
    onEpochBegin: (e) => {
      epoch = e
    },
    onTrainBatchEnd: async (batch, logs, model) => {
      if (++batches < saveFreq) return
      batches = 0
      await save({ epoch: epoch + 1, batch: batch + 1 }, logs, model)
    }
  }
}

/**
 * Replaces `{key}` and `{key:format}` by values, with Python's formats `02d`, `.2f`, `8.3e`; `{{` is a brace.
 * @throws ArgumentError for a key that is not there or a format of another kind.
 */
export function formatPath(template: string, values: Readonly<Record<string, number>>): string {
  return template.replace(/\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}/g, (text: string, key?: string, format = '') => {
    if (key === undefined) return text[0]!
    const value = values[key]
    if (value === undefined) {
      throw new ArgumentError(`[modelCheckpoint] "${text}" in filepath is none of ${Object.keys(values).join(', ')}`)
    }
    return formatNumber(value, format, text)
  })
}

function formatNumber(value: number, format: string, text: string): string {
  const [, zero, width = '0', precision, kind] = /^(0?)(\d*)(?:\.(\d+))?([dfe]?)$/.exec(format) ?? []
  if (kind === undefined) throw new ArgumentError(`[modelCheckpoint] expected a format like 02d, .2f or .3e, received "${text}"`)
  const digits = precision === undefined ? 6 : Number(precision)
  let out: string
  if (kind === 'd') out = String(Math.round(value))
  else if (kind === 'f') out = value.toFixed(digits)
  // Python's exponent has two digits at least.
  else if (kind === 'e') out = value.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2')
  else out = precision === undefined ? String(value) : String(Number(value.toPrecision(digits)))
  return out.padStart(Number(width), zero === '0' ? '0' : ' ')
}
