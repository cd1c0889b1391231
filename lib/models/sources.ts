// Where the steps of a run come from: data that live on the device, or batches that are passed in.
import { type Captured, capture } from '../capture'
import { shuffled } from '../data/shuffle'
import type { BatchStream, StreamedBatch } from '../data/streams'
import type { ResidentData } from '../data/upload'
import type { Batch } from '../data/values'
import * as ops from '../ops'
import { batchIndices, increment } from '../ops/training'
import { scope } from '../scope'
import { type Variable, variable } from '../tensor'
import type { StepSource } from './run'

/** Draws the order of the next pass; `commit` says that it is used. */
export interface OrderSource {
  draw(): Promise<Int32Array>
  commit(): void
}

/**
 * Steps on data that live on the device. The captured step takes nothing from the host: it reads where it is in the order, gathers
 * the samples, works on them and moves on.
 */
export class ResidentSource implements StepSource {
  readonly steps: number
  private readonly order: Variable
  private readonly position: Variable
  private readonly step: Captured<[size: number], void>
  private at = 0
  private drawn: Promise<Int32Array> | undefined

  constructor(
    private readonly data: ResidentData,
    private readonly count: number,
    private readonly batchSize: number,
    private readonly orders: OrderSource,
    work: (batch: Batch) => void
  ) {
    this.steps = Math.ceil(count / batchSize)
    const { xs, ys, sampleWeights } = data
    const { device } = xs[0]!
    const state = (name: string, size: number): Variable =>
      scope(() => variable(ops.zeros([size], { dtype: 'int32', device }), { name, trainable: false }))
    this.order = state('order', count)
    this.position = state('position', 1)
    this.step = capture(
      (size: number) => {
        const indices = batchIndices(this.order, this.position, size)
        const take = (x: (typeof xs)[number]) => ops.gather(x, indices)
        work({ xs: xs.map(take), ys: ys.map(take), sampleWeights: sampleWeights.map(take), size })
        increment(this.position, size)
      },
      { device }
    )
  }

  async restart(): Promise<void> {
    const order = await (this.drawn ?? this.orders.draw())
    this.orders.commit()
    this.drawn = undefined
    this.order.assign(order)
    this.position.assign([0])
    this.at = 0
  }

  next(): (() => void) | undefined {
    const size = Math.min(this.batchSize, this.count - this.at)
    if (size <= 0) return undefined
    this.at += size
    // While the device is busy with the rest of this pass, the next order is drawn.
    if (this.at === this.count) this.drawn = this.orders.draw()
    return () => this.step(size)
  }

  close(): void {
    this.step.dispose()
    this.order.dispose()
    this.position.dispose()
    for (const tensor of this.data.owned) tensor.dispose()
  }
}

/** Steps on batches that a stream gives: the next one is uploaded while the device computes. */
export class StreamSource implements StepSource {
  constructor(
    private readonly stream: BatchStream,
    private readonly work: (batch: StreamedBatch) => void
  ) {}

  get steps(): number | undefined {
    return this.stream.steps
  }

  restart(): void | Promise<void> {
    return this.stream.restart()
  }

  next(): (() => void) | undefined | Promise<(() => void) | undefined> {
    const batch = this.stream.next()
    return batch instanceof Promise ? batch.then((b) => this.submit(b)) : this.submit(batch)
  }

  close(): void {
    this.stream.close()
  }

  private submit(batch: StreamedBatch | undefined): (() => void) | undefined {
    if (batch === undefined) return undefined
    return () => {
      try {
        this.work(batch)
      } finally {
        for (const tensor of batch.owned) tensor.dispose()
      }
    }
  }
}

/** Orders of a model's shuffling, which its state remembers. */
export function shuffledOrders(count: number, state: { key: readonly [number, number]; drawn: number }): OrderSource {
  return {
    draw: () => shuffled(0, count, state.key, state.drawn),
    commit: () => {
      state.drawn++
    }
  }
}
