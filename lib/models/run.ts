// Runs steps one after the other for fit, evaluate and predict: pace, callbacks, progress and stopping.
import type { CallbackList, Logs, RunKind } from '../callbacks/callback'
import { ArgumentError, failure, show } from '../errors'
import { Work } from '../work'
import { Pacer } from './pacer'

/** Gives steps until there are no more; begins again with `restart`. */
export interface StepSource {
  /** Steps from one start to the end, if that is known. */
  readonly steps: number | undefined
  restart(): void | Promise<void>
  /** A function that submits the next step; undefined at the end. */
  next(): (() => void) | undefined | Promise<(() => void) | undefined>
  /** Lets go of what the source holds. */
  close(): void
}

export interface RunOptions {
  where: string
  kind: RunKind
  callbacks: CallbackList
  signal: AbortSignal | undefined
  /** Name of the device that the steps run on, once one has been submitted. */
  device: () => string
  /** The logs so far; not given where there are none. */
  read?: () => Promise<Logs>
  shouldStop?: () => boolean
}

// How often progress is read from the device.
const progressMs = 100

/** Runs the steps of a source, epoch by epoch. */
export class Runner {
  private readonly pacer: Pacer
  private work: Work | undefined
  private started = false
  private lastProgress = performance.now()
  private reading = false
  private failed: { error: unknown } | undefined
  private latest: { step: number; logs: Logs } | undefined

  constructor(
    private readonly source: StepSource,
    private readonly options: RunOptions
  ) {
    this.pacer = new Pacer(() => this.work!.finished(options.device()))
  }

  /**
   * Runs one pass over the source, or `limit` steps of it. In training these go on where the steps before ended, and begin again at
   * the end; elsewhere the end is the end.
   * @returns how many steps were run
   * @throws DOMException `AbortError` if the signal says so; ArgumentError if the source has nothing to give; what a step has failed with
   */
  async run(limit: number | undefined): Promise<number> {
    this.work = new Work()
    try {
      return await this.steps(limit, this.work)
    } finally {
      this.work.end()
    }
  }

  private async steps(limit: number | undefined, work: Work): Promise<number> {
    const { callbacks, kind, read } = this.options
    const wantsBatches = callbacks.wantsBatches(kind)
    this.checkSignal()
    if (limit === undefined || !this.started) await this.source.restart()
    this.started = true
    this.latest = undefined
    let step = 0
    while (limit === undefined || step < limit) {
      const submit = await this.nextStep(limit !== undefined && kind === 'Train', step)
      if (submit === undefined) break
      if (wantsBatches) await callbacks.batchBegin(kind, step)
      work.submit(submit)
      step++
      if (wantsBatches) {
        await callbacks.batchEnd(kind, step - 1, (await read?.()) ?? {})
        if (this.mustStop()) break
      }
      if (this.pacer.step()) {
        await this.pacer.pause()
        await this.progress(step)
        if (this.mustStop()) break
      }
    }
    await this.pacer.drain()
    this.checkProgress()
    this.checkSignal()
    return step
  }

  /** The next step; at the end of the source begins again if `endless`. Awaits only what is a promise: a step may take 10 µs. */
  private nextStep(endless: boolean, step: number): (() => void) | undefined | Promise<(() => void) | undefined> {
    const next = this.source.next()
    if (typeof next === 'function') return next
    return this.whenReady(next, endless, step)
  }

  private async whenReady(next: ReturnType<StepSource['next']>, endless: boolean, step: number): Promise<(() => void) | undefined> {
    const ready = await this.unlessAborted(next)
    if (ready !== undefined) return ready
    if (!endless && step > 0) return undefined
    if (endless) {
      await this.source.restart()
      const again = await this.unlessAborted(this.source.next())
      if (again !== undefined) return again
    }
    throw failure(
      ArgumentError,
      this.options.where,
      `expected at least one batch, received none at step ${step}: a generator that is spent gives no more (pass the function that makes it, or stepsPerEpoch)`
    )
  }

  /** `value`, or an AbortError as soon as the signal says so, though the value may take its time. */
  private async unlessAborted<T>(value: T | Promise<T>): Promise<T> {
    const { signal } = this.options
    if (signal === undefined || !(value instanceof Promise)) return value
    this.checkSignal()
    let stop: (() => void) | undefined
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(abortError(this.options.where))
      signal.addEventListener('abort', stop)
    })
    try {
      return await Promise.race([value, aborted])
    } finally {
      signal.removeEventListener('abort', stop!)
    }
  }

  private mustStop(): boolean {
    this.checkSignal()
    return this.options.shouldStop?.() === true
  }

  /** Passes on what a read of the progress has failed with. */
  private checkProgress(): void {
    if (this.failed) throw this.failed.error
  }

  private checkSignal(): void {
    if (this.options.signal?.aborted) throw abortError(this.options.where)
  }

  /** Tells the callbacks what was read last, and begins to read again when it is time. */
  private async progress(step: number): Promise<void> {
    const { callbacks, read } = this.options
    this.checkProgress()
    if (!callbacks.wantsProgress) return
    const { latest } = this
    this.latest = undefined
    if (latest !== undefined) await callbacks.progress(latest.step, latest.logs)
    if (this.reading || performance.now() - this.lastProgress < progressMs) return
    this.lastProgress = performance.now()
    if (read === undefined) return callbacks.progress(step, {})
    this.reading = true
    read().then(
      (logs) => {
        this.latest = { step, logs }
        this.reading = false
      },
      // An index report is told once, and may be another run's.
      (error: unknown) => {
        this.failed = { error }
        this.reading = false
      }
    )
  }
}

/** @throws ArgumentError for a signal that is none; AbortError if it has been aborted already */
export function checkSignal(where: string, signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  if (typeof signal?.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw failure(ArgumentError, where, `expected signal to be an AbortSignal, received ${show(signal)}`)
  }
  if (signal.aborted) throw abortError(where)
}

/** What a run that was aborted rejects with. */
export function abortError(where: string): DOMException {
  return new DOMException(`[${where}] the signal was aborted`, 'AbortError')
}
