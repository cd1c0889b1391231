// Watches one entry of the logs: which direction is better, and whether a value is an improvement.
import { ArgumentError } from '../errors'
import type { AnyModel } from '../models/model'
import type { Logs } from './callback'

/** Whether a smaller or a larger value is better; `auto` asks the metric. */
export type MonitorMode = 'auto' | 'min' | 'max'

/** One monitored quantity. `who` is the callback, for messages. */
export class Monitor {
  private warned = false
  private larger: boolean | undefined

  constructor(
    private readonly who: string,
    private readonly key: string,
    private readonly mode: MonitorMode,
    private readonly minDelta = 0
  ) {
    if (!['auto', 'min', 'max'].includes(mode)) {
      throw new ArgumentError(`[${who}] expected mode to be "auto", "min" or "max", received ${JSON.stringify(mode)}`)
    }
    if (!Number.isFinite(minDelta)) throw new ArgumentError(`[${who}] expected minDelta to be a number, received ${minDelta}`)
  }

  /** The value in the logs; when it is not there, undefined and, once, a warning that says what is. */
  value(logs: Logs): number | undefined {
    const value = logs[this.key]
    if (value === undefined && !this.warned) {
      this.warned = true
      process.emitWarning(
        `[${this.who}] monitors "${this.key}", which is not in the logs: ${Object.keys(logs).join(', ')}`,
        'NeuriteWarning'
      )
    }
    return value
  }

  /** Whether `value` is better than `best` by more than minDelta. NaN never is; anything else is better than nothing. */
  improves(value: number, best: number | undefined, model: AnyModel): boolean {
    this.larger ??= this.findDirection(model)
    if (Number.isNaN(value)) return false
    if (best === undefined) return true
    const delta = Math.abs(this.minDelta)
    return this.larger ? value - delta > best : value + delta < best
  }

  private findDirection(model: AnyModel): boolean {
    if (this.mode !== 'auto') return this.mode === 'max'
    const name = this.key.replace(/^val_/, '')
    if (name === 'loss' || name.endsWith('_loss')) return false
    const direction = model.metricDirection(name)
    if (direction !== undefined) return direction === 'up'
    throw new ArgumentError(`[${this.who}] whether "${this.key}" should rise or fall is not known: give mode "max" or "min"`)
  }
}
