// Keeps the device busy and the event loop free: steps go to the device in chunks of about 10 ms of work, two of them at most.
import { breathe } from '../data/event-loop'

// Long enough that waiting costs nothing, short enough that a timer of 10 ms keeps firing and stopping is prompt.
const chunkMs = 10
// A replay is one command; with two chunks outstanding the device's queue of 1,024 is never full.
const maximumSteps = 256

/** Says after each step whether to wait, and waits. */
export class Pacer {
  private chunk = 1
  private steps = 0
  private begin = performance.now()
  private lastDone = 0
  private readonly outstanding: Promise<void>[] = []

  /** @param finished resolves when everything submitted so far has run, rejects if a step has failed */
  constructor(private readonly finished: () => Promise<unknown>) {}

  /** Counts a step; true if it is time to `pause`. */
  step(): boolean {
    this.steps++
    return this.steps >= this.chunk || performance.now() - this.begin > chunkMs
  }

  /** Ends the chunk; resolves in a later turn of the event loop, when at most one chunk is outstanding. */
  async pause(): Promise<void> {
    this.endChunk()
    if (this.outstanding.length >= 2) await this.outstanding.shift()
    await breathe()
    this.begin = performance.now()
  }

  /** Resolves when everything that was submitted has run. */
  async drain(): Promise<void> {
    if (this.steps > 0) this.endChunk()
    for (let next = this.outstanding.shift(); next !== undefined; next = this.outstanding.shift()) await next
    this.begin = performance.now()
  }

  private endChunk(): void {
    const { steps, begin } = this
    this.steps = 0
    const done = this.finished().then(() => this.measure(steps, begin))
    // It is awaited later, or not at all when the run ends by another error.
    done.catch(() => {})
    this.outstanding.push(done)
  }

  /** The next chunks get as many steps as take 10 ms by the last one, at most twice as many as before. */
  private measure(steps: number, begin: number): void {
    const now = performance.now()
    const perStep = (now - Math.max(begin, this.lastDone)) / steps
    this.lastDone = now
    this.chunk = Math.max(1, Math.min(Math.round(chunkMs / perStep), 2 * this.chunk, maximumSteps))
  }
}
