// One op, timed beside what limits it.
import { synchronize, type Tensor } from 'neurite'
import type { Ceilings, Streams } from './ceilings.mjs'
import { si } from './statistics.mjs'

export interface OpCase {
  name: string
  /** Submits the op once. What it returns is disposed of. */
  run: () => Tensor | readonly Tensor[] | undefined
  /** Floating-point operations, for what arithmetic limits. */
  flops?: number
  /** Arrays read and written once, for what memory limits. */
  streams?: Streams
}

/** Times a case in rounds of about that long: many are submitted, then waited for once. */
export class Stopwatch {
  readonly #run: OpCase['run']
  #count = 1

  static async of({ run }: OpCase, roundSeconds: number): Promise<Stopwatch> {
    const stopwatch = new Stopwatch(run)
    await stopwatch.#round() // memory is touched for the first time, and what made the operands ends
    for (let total = await stopwatch.#round(); total < roundSeconds && stopwatch.#count < 1e6; total = await stopwatch.#round())
      stopwatch.#count = Math.ceil(stopwatch.#count * Math.min(10, Math.max(1.5, (1.2 * roundSeconds) / total)))
    return stopwatch
  }

  private constructor(run: OpCase['run']) {
    this.#run = run
  }

  async #round(): Promise<number> {
    const begin = performance.now()
    for (let i = 0; i < this.#count; i++) {
      const made = this.#run()
      for (const result of made === undefined ? [] : Array.isArray(made) ? made : [made]) result.dispose()
    }
    await synchronize()
    return (performance.now() - begin) / 1e3
  }

  /** Seconds of one run, the mean over a round. */
  async seconds(): Promise<number> {
    return (await this.#round()) / this.#count
  }
}

/** What the ceiling of a case says now about seconds that it took: 1 is all that the machine can do. Undefined for a case that has none. */
export async function shareOf({ flops, streams }: OpCase, seconds: number, ceilings: Ceilings): Promise<number | undefined> {
  if (flops) return flops / seconds / (await ceilings.flops())
  return streams && (await ceilings.seconds(streams)) / seconds
}

/** Arithmetic, bytes or runs per second. */
export function rateOf({ flops, streams }: OpCase, seconds: number): string {
  if (flops) return `${si(flops / seconds)}FLOP/s`
  return streams ? `${si((4 * streams.floats * (streams.reads + streams.writes)) / seconds)}B/s` : `${si(1 / seconds)}/s`
}
