// predict: the outputs for all samples.

import { checkOptions, type NamesOf, numberOption } from '../arguments'
import { type Callback, CallbackList } from '../callbacks/callback'
import { type Captured, capture } from '../capture'
import { type BatchStream, ItemStream, makeBatch } from '../data/streams'
import { type Batches, checkData, isBatches, type ModelValues } from '../data/values'
import * as ops from '../ops'
import type { Tensor } from '../tensor'
import { completed } from '../work'
import type { AnyModel } from './model'
import { openStream } from './open'
import { checkSignal, Runner } from './run'
import { StreamSource } from './sources'
import { barFor, type Verbosity } from './verbose'

export interface PredictOptions {
  /** Default 32. */
  batchSize?: number | undefined
  /** Default 0. */
  verbose?: Verbosity | undefined
  /** How many batches to take. */
  steps?: number | undefined
  callbacks?: readonly Callback[] | undefined
  signal?: AbortSignal | undefined
}

const predictOptions: NamesOf<PredictOptions> = {
  batchSize: 'optional',
  verbose: 'optional',
  steps: 'optional',
  callbacks: 'optional',
  signal: 'optional'
}

// Outputs are put together in groups of so many, so that no more are held apart.
const groupSize = 256

/** A model's prediction, captured once for all calls. */
export class Predictor {
  private readonly forward: Captured<[xs: readonly Tensor[]], Tensor[]>
  private readonly device = (): string => this.model.device

  constructor(private readonly model: AnyModel) {
    this.forward = capture((xs: readonly Tensor[]) => model.forward(xs, false))
  }

  async predict(x: ModelValues | Batches, options: PredictOptions): Promise<Tensor[]> {
    const { batchSize = 32, verbose = 0, steps, callbacks = [], signal } = checkOptions('predict', options, predictOptions)
    numberOption('predict', 'batchSize', batchSize, { integer: true, min: 1 })
    if (steps !== undefined) numberOption('predict', 'steps', steps, { integer: true, min: 1 })
    checkSignal('predict', signal)
    const shapes = this.model.dataShapes('predict', false)
    let stream: BatchStream
    if (isBatches(x)) stream = new ItemStream(x, shapes)
    else {
      const data = checkData(shapes, { x })
      const alone = data.samples <= batchSize && verbose === 0 && callbacks.length === 0
      if (alone) return completed(this.device, () => this.predictOnBatch(x))
      stream = await openStream(data, 0, data.samples, batchSize)
    }
    const list = new CallbackList('predict', callbacks, this.model, barFor('predict', verbose))
    return this.run(stream, list, steps, signal)
  }

  predictOnBatch(x: ModelValues): Tensor[] {
    const { xs, owned } = makeBatch(this.model.dataShapes('predict', false), { x })
    try {
      return this.forward(xs)
    } finally {
      for (const tensor of owned) tensor.dispose()
    }
  }

  dispose(): void {
    this.forward.dispose()
  }

  private async run(
    stream: BatchStream,
    callbacks: CallbackList,
    steps: number | undefined,
    signal: AbortSignal | undefined
  ): Promise<Tensor[]> {
    // Of each batch, and of each group of batches, all outputs.
    let parts: Tensor[][] = []
    const groups: Tensor[][] = []
    const gather = (): void => {
      if (parts.length > 0) groups.push(concatOf(parts))
      parts = []
    }
    const source = new StreamSource(stream, ({ xs }) => {
      parts.push(this.forward(xs))
      if (parts.length === groupSize) gather()
    })
    const runner = new Runner(source, {
      where: 'predict',
      kind: 'Predict',
      callbacks,
      signal,
      device: this.device
    })
    try {
      const known = steps ?? source.steps
      await callbacks.start({ epochs: 1, steps: known })
      await callbacks.begin('Predict')
      const ran = await runner.run(steps)
      if (known === undefined) await callbacks.setParams({ epochs: 1, steps: ran })
      const result = await completed(this.device, () => {
        gather()
        return concatOf(groups.splice(0))
      })
      await callbacks.end('Predict', {})
      return result
    } finally {
      source.close()
      for (const tensor of [...parts, ...groups].flat()) tensor.dispose()
    }
  }
}

/** Each output's parts behind one another; they are disposed of. */
function concatOf(parts: readonly Tensor[][]): Tensor[] {
  const [first] = parts
  if (parts.length === 1) return first!
  try {
    return first!.map((_, i) =>
      ops.concat(
        parts.map((outputs) => outputs[i]!),
        0
      )
    )
  } finally {
    for (const tensor of parts.flat()) tensor.dispose()
  }
}
