// The record of a fit: the logs of each epoch, by key.
import type { Callback, Logs } from './callback'

/** What fit returns. */
export class History implements Callback {
  /** For each key its value after each epoch. */
  history: Record<string, number[]> = {}
  /** The epochs that were run, counted from 0. */
  epoch: number[] = []

  onTrainBegin(): void {
    this.history = {}
    this.epoch = []
  }

  onEpochEnd(epoch: number, logs: Logs): void {
    this.epoch.push(epoch)
    for (const [key, value] of Object.entries(logs)) {
      this.history[key] ??= []
      this.history[key].push(value)
    }
  }
}

/** The callback that records the logs of each epoch; fit makes one of its own and returns it. */
export function history(): History {
  return new History()
}
