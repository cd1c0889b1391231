// earlyStopping: ends training when a monitored quantity has stopped improving.
import { checkOptions, type NamesOf, optionalNumber } from '../arguments'
import { ArgumentError } from '../errors'
import type { AnyModel } from '../models/model'
import type { Tensor } from '../tensor'
import type { Callback, Logs } from './callback'
import { Monitor, type MonitorMode } from './monitor'

export interface EarlyStoppingOptions {
  /** Key in the logs. Default `val_loss`. */
  monitor?: string | undefined
  /** A change of no more than this is no improvement. Default 0. */
  minDelta?: number | undefined
  /** Epochs without improvement after which training stops. Default 0. */
  patience?: number | undefined
  /** 1 prints the epoch at which training stopped. Default 0. */
  verbose?: 0 | 1 | undefined
  mode?: MonitorMode | undefined
  /** The patience starts anew only at an improvement that is better than this as well. */
  baseline?: number | undefined
  /** At the end of training, stopped early or not, goes back to the weights of the best epoch. Default false. */
  restoreBestWeights?: boolean | undefined
  /** Epochs before this one are not looked at. Default 0. */
  startFromEpoch?: number | undefined
}

const earlyStoppingOptions: NamesOf<EarlyStoppingOptions> = {
  monitor: 'optional',
  minDelta: 'optional',
  patience: 'optional',
  verbose: 'optional',
  mode: 'optional',
  baseline: 'optional',
  restoreBestWeights: 'optional',
  startFromEpoch: 'optional'
}

/**
 * Ends training when a monitored quantity has stopped improving.
 * @example callbacks.earlyStopping({ monitor: 'val_loss', patience: 2, restoreBestWeights: true })
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const {
    monitor: key = 'val_loss',
    minDelta = 0,
    patience = 0,
    verbose = 0,
    mode = 'auto'
  } = checkOptions('earlyStopping', options, earlyStoppingOptions)
  const { baseline, restoreBestWeights = false, startFromEpoch = 0 } = options
  if (!Number.isInteger(patience) || patience < 0) {
    throw new ArgumentError(`[earlyStopping] expected patience to be an integer of at least 0, received ${patience}`)
  }
  optionalNumber('earlyStopping', 'baseline', baseline)
  const monitor = new Monitor('earlyStopping', key, mode, minDelta)
  let wait = 0
  let best: number | undefined
  let bestEpoch = 0
  let stoppedEpoch: number | undefined
  let bestWeights: Tensor[] | undefined

  const keep = (weights: Tensor[] | undefined): void => {
    for (const weight of bestWeights ?? []) weight.dispose()
    bestWeights = weights
  }
  const remember = (epoch: number, model: AnyModel): void => {
    bestEpoch = epoch
    if (restoreBestWeights) keep(model.getWeights())
  }
  return {
    onTrainBegin(): void {
      wait = 0
      best = undefined
      stoppedEpoch = undefined
      keep(undefined)
    },
    onEpochEnd(epoch: number, logs: Logs, model: AnyModel): void {
      const value = monitor.value(logs)
      if (value === undefined || epoch < startFromEpoch) return
      // So that there is something to go back to if no epoch is ever better than NaN.
      if (restoreBestWeights && bestWeights === undefined) remember(epoch, model)
      wait++
      if (monitor.improves(value, best, model)) {
        best = value
        remember(epoch, model)
        if (baseline === undefined || monitor.improves(value, baseline, model)) wait = 0
      } else if (wait >= patience && epoch > 0) {
        stoppedEpoch = epoch
        model.stopTraining = true
      }
    },
    onTrainEnd(_logs: Logs, model: AnyModel): void {
      if (verbose > 0 && stoppedEpoch !== undefined) console.log(`Epoch ${stoppedEpoch + 1}: early stopping`)
      if (bestWeights === undefined) return
      if (verbose > 0) console.log(`Restoring the weights of the best epoch: ${bestEpoch + 1}`)
      model.setWeights(bestWeights)
      keep(undefined)
    }
  }
}
