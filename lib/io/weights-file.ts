// saveWeights and loadWeights: the weights of a model, by name, in a safetensors file.
import { checkOptions, type NamesOf } from '../arguments'
import { FormatError } from '../errors'
import type { AnyLayer } from '../layers/layer'
import { checkVersion, formatMetadata, readState } from './model-file'
import { SafetensorsFile, writeSafetensors } from './safetensors'
import { assignTensors, checkTensors, matches, namedWeights, snapshot } from './tensors'

export interface LoadWeightsOptions {
  /** Loads what fits and leaves the rest as it is. Default false: everything must fit. */
  skipMismatch?: boolean | undefined
}

const loadWeightsOptions: NamesOf<LoadWeightsOptions> = { skipMismatch: 'optional' }

/** Writes the weights. */
export async function saveWeights(model: AnyLayer, path: string): Promise<void> {
  await writeSafetensors(path, await snapshot(namedWeights(model)), formatMetadata)
}

/** Reads the weights; nothing is changed unless all can be. */
export async function loadWeights(model: AnyLayer, path: string, options: LoadWeightsOptions = {}): Promise<void> {
  const { skipMismatch = false } = checkOptions('loadWeights', options, loadWeightsOptions)
  const file = await SafetensorsFile.open(path)
  try {
    checkVersion(file)
    const all = namedWeights(model)
    if (skipMismatch) {
      const fitting = all.filter(([name, variable]) => {
        const entry = file.entry(name)
        return entry !== undefined && matches(entry, variable)
      })
      return await assignTensors(file, fitting)
    }
    checkTensors(file, all)
    const state = readState(file)
    const known = new Set([...all.map(([name]) => name), ...state.optimizer, ...state.random])
    const unknown = file.tensors.filter(({ name }) => !known.has(name)).map(({ name }) => name)
    if (unknown.length > 0) {
      const list = `${unknown.slice(0, 10).join(', ')}${unknown.length > 10 ? ', …' : ''}`
      throw new FormatError(`${path} has weights that the model does not have: ${list}`)
    }
    await assignTensors(file, all)
  } finally {
    await file.close()
  }
}
