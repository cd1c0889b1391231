// terminateOnNaN: ends training when the loss is no longer a number.
import type { AnyModel } from '../models/model'
import type { Callback, Logs } from './callback'

/**
 * Ends training as soon as the loss is seen to be NaN or infinite. It reads the running loss about ten times a second and after each
 * epoch, so that it costs nothing; a loss that was once NaN stays so until the epoch ends.
 */
export function terminateOnNaN(): Callback {
  const check = (when: string, logs: Logs, model: AnyModel): void => {
    if (model.stopTraining || logs.loss === undefined || Number.isFinite(logs.loss)) return
    console.log(`${when}: the loss is ${logs.loss}, terminating training`)
    model.stopTraining = true
  }
  return {
    onProgress: (batch, logs, model) => check(`Batch ${batch}`, logs, model),
    onEpochEnd: (epoch, logs, model) => check(`Epoch ${epoch + 1}`, logs, model)
  }
}
