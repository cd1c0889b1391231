// What a callback is, and the list of them that fit, evaluate and predict call.
import { isNear } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import type { AnyModel } from '../models/model'

/** Loss and metrics as numbers, by their key. */
export type Logs = Record<string, number>

/** What a callback may want to know of the run that begins. */
export interface CallbackParams {
  /** Index after the last epoch. */
  epochs: number
  /** Steps of an epoch; undefined if the data do not tell. Then `setParams` is called again at the end, with those that were run. */
  steps: number | undefined
}

/**
 * A plain object with any of these hooks. A hook may return a promise, which is awaited before training goes on.
 *
 * With a hook for batches, the run waits for each step and gives its logs; without one, many steps are on their way to the device at
 * once. `onProgress` is the light alternative: it gets the latest known logs about ten times a second and slows nothing down.
 * Logs are the running means of the epoch. What a hook adds to the logs of an epoch is seen by the callbacks after it and kept in the history.
 *
 * @example
 * await model.fit(x, y, { callbacks: [{ onEpochEnd: (epoch, logs, model) => { if (logs.loss! < 0.1) model.stopTraining = true } }] })
 */
export interface Callback {
  setModel?(model: AnyModel): unknown
  setParams?(params: CallbackParams): unknown
  onTrainBegin?(logs: Logs, model: AnyModel): unknown
  onTrainEnd?(logs: Logs, model: AnyModel): unknown
  onEpochBegin?(epoch: number, logs: Logs, model: AnyModel): unknown
  onEpochEnd?(epoch: number, logs: Logs, model: AnyModel): unknown
  onTrainBatchBegin?(batch: number, logs: Logs, model: AnyModel): unknown
  onTrainBatchEnd?(batch: number, logs: Logs, model: AnyModel): unknown
  /** Called where there is no `onTrainBatchBegin`. */
  onBatchBegin?(batch: number, logs: Logs, model: AnyModel): unknown
  /** Called where there is no `onTrainBatchEnd`. */
  onBatchEnd?(batch: number, logs: Logs, model: AnyModel): unknown
  onTestBegin?(logs: Logs, model: AnyModel): unknown
  onTestEnd?(logs: Logs, model: AnyModel): unknown
  onTestBatchBegin?(batch: number, logs: Logs, model: AnyModel): unknown
  onTestBatchEnd?(batch: number, logs: Logs, model: AnyModel): unknown
  onPredictBegin?(logs: Logs, model: AnyModel): unknown
  onPredictEnd?(logs: Logs, model: AnyModel): unknown
  onPredictBatchBegin?(batch: number, logs: Logs, model: AnyModel): unknown
  onPredictBatchEnd?(batch: number, logs: Logs, model: AnyModel): unknown
  /** `batch` is the number of steps of this epoch that are done. */
  onProgress?(batch: number, logs: Logs, model: AnyModel): unknown
}

/** The kinds of run, as they stand in the names of the hooks. */
export type RunKind = 'Train' | 'Test' | 'Predict'

const runHooks = (['Train', 'Test', 'Predict'] as const).flatMap(
  (kind) => [`on${kind}Begin`, `on${kind}End`, `on${kind}BatchBegin`, `on${kind}BatchEnd`] as const
)
const hooks: readonly (keyof Callback)[] = [
  ...runHooks,
  ...(['setModel', 'setParams', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd', 'onProgress'] as const)
]
const bare = (name: string): string => name.replaceAll('_', '').toLowerCase()
const hookOf = new Map(hooks.map((hook) => [bare(hook), hook]))

/** @throws ArgumentError for what is no object, for a hook in another spelling, which would never be called, and for one that is no function */
function checkCallback(where: string, callback: unknown): void {
  if (typeof callback !== 'object' || callback === null) {
    throw failure(ArgumentError, where, `expected each of callbacks to be an object with hooks, received ${show(callback)}`)
  }
  for (let object: object = callback; object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const name of Object.getOwnPropertyNames(object)) {
      const hook = hookOf.get(bare(name))
      if (hook === undefined) {
        const meant = /^on[A-Z]/.test(name) ? hooks.find((known) => isNear(name, known)) : undefined
        if (meant !== undefined) throw failure(ArgumentError, where, `unknown hook '${name}' of a callback: did you mean '${meant}'?`)
        continue
      }
      if (hook !== name) throw failure(ArgumentError, where, `expected the hook ${hook} of a callback, received ${name}`)
      const value: unknown = (callback as Callback)[hook]
      if (value !== undefined && typeof value !== 'function') {
        throw failure(ArgumentError, where, `expected the hook ${hook} of a callback to be a function, received ${show(value)}`)
      }
    }
  }
}

/** Calls the callbacks of one run in their order. */
export class CallbackList {
  private readonly callbacks: readonly Callback[]

  /**
   * @param given the user's; `own`, after them, are the run's
   * @throws ArgumentError for a callback that is none, or has a hook that would not be called
   */
  constructor(
    where: string,
    given: readonly Callback[],
    private readonly model: AnyModel,
    own: readonly Callback[] = []
  ) {
    if (!Array.isArray(given)) throw failure(ArgumentError, where, `expected callbacks to be an array, received ${show(given)}`)
    for (const callback of given) checkCallback(where, callback)
    this.callbacks = [...given, ...own]
  }

  /** Whether somebody wants every batch of such a run, so that it must wait for each. */
  wantsBatches(kind: RunKind): boolean {
    return this.callbacks.some((c) => batchHook(c, kind, 'Begin') !== undefined || batchHook(c, kind, 'End') !== undefined)
  }

  /** Whether somebody wants sampled logs. */
  get wantsProgress(): boolean {
    return this.callbacks.some((c) => c.onProgress !== undefined)
  }

  /** Tells the callbacks of which model and how many steps the run that begins is. */
  async start(params: CallbackParams): Promise<void> {
    for (const callback of this.callbacks) await callback.setModel?.(this.model)
    await this.setParams(params)
  }

  async setParams(params: CallbackParams): Promise<void> {
    for (const callback of this.callbacks) await callback.setParams?.(params)
  }

  async begin(kind: RunKind): Promise<void> {
    for (const callback of this.callbacks) await callback[`on${kind}Begin`]?.({}, this.model)
  }

  async end(kind: RunKind, logs: Logs): Promise<void> {
    for (const callback of this.callbacks) await callback[`on${kind}End`]?.(logs, this.model)
  }

  async epochBegin(epoch: number): Promise<void> {
    for (const callback of this.callbacks) await callback.onEpochBegin?.(epoch, {}, this.model)
  }

  async epochEnd(epoch: number, logs: Logs): Promise<void> {
    for (const callback of this.callbacks) await callback.onEpochEnd?.(epoch, logs, this.model)
  }

  async batchBegin(kind: RunKind, batch: number): Promise<void> {
    for (const callback of this.callbacks) await batchHook(callback, kind, 'Begin')?.call(callback, batch, {}, this.model)
  }

  async batchEnd(kind: RunKind, batch: number, logs: Logs): Promise<void> {
    for (const callback of this.callbacks) await batchHook(callback, kind, 'End')?.call(callback, batch, logs, this.model)
  }

  async progress(batch: number, logs: Logs): Promise<void> {
    for (const callback of this.callbacks) await callback.onProgress?.(batch, logs, this.model)
  }
}

/** The hook of a callback for the batches of a run; of training also under its short name. */
function batchHook(callback: Callback, kind: RunKind, when: 'Begin' | 'End'): Callback['onBatchEnd'] {
  return callback[`on${kind}Batch${when}`] ?? (kind === 'Train' ? callback[`onBatch${when}`] : undefined)
}
