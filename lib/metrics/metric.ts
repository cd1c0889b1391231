// The base class of metrics: totals on the device that grow batch by batch, and the number that they come to.
import type { NamesOf, OptionNames } from '../arguments'
import { inDType } from '../dtype'
import { expectTensors, matchedWeights } from '../losses/shapes'
import * as ops from '../ops'
import { accumulate, assign } from '../ops/training'
import { scope } from '../scope'
import { type Config, classOptions, kindOf } from '../serialization'
import { outsideCapture } from '../state'
import { type Tensor, type Variable, variable } from '../tensor'

/** Options of every metric. */
export interface MetricOptions {
  /** The key in logs. Default: the metric's own name. */
  name?: string | undefined
}

export const metricOptions: NamesOf<MetricOptions> = { name: 'optional' }

/** Whether larger (`up`) or smaller values are better; undefined if neither. */
export type Direction = 'up' | 'down' | undefined

/**
 * A metric. `update` adds a batch to `totals` on the device, without waiting; `result` reads them. One's own metric extends
 * {@link MeanMetric} and writes `values`, or is a function of yTrue and yPred that gives a value per sample.
 */
export abstract class Metric {
  /** @internal Names of the options. */
  static readonly optionNames: OptionNames = metricOptions
  readonly name: string
  private state: Variable | undefined

  constructor(options: MetricOptions = {}) {
    this.name = classOptions(this.kind, new.target, options, new.target.optionNames).name ?? this.kind
  }

  /** The name of the class in camelCase. */
  get kind(): string {
    return kindOf(this.constructor)
  }

  /** Whether larger values are better. */
  get direction(): Direction {
    return undefined
  }

  /** What has been added up: float32 (3) = sum, its compensation (Kahan), sum of the weights. Made at first use. */
  get totals(): Variable {
    this.state ??= scope(() => variable(ops.zeros([3]), { name: this.name, trainable: false }))
    return this.state
  }

  /** Adds a batch. */
  abstract update(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): void

  /** The metric of what has been added up, as `totals` hold it. */
  compute(totals: ArrayLike<number>): number {
    const [sum, compensation, count] = [totals[0]!, totals[1]!, totals[2]!]
    return count === 0 ? 0 : (sum - compensation) / count
  }

  /** The metric since the last `reset`. */
  result(): Promise<number> {
    return outsideCapture('result()', async () => this.compute(await this.totals.data()))
  }

  /** Begins again. */
  reset(): void {
    if (this.state) scope(() => assign(this.totals, ops.zerosLike(this.totals)))
  }

  getConfig(): Config {
    return { name: this.name }
  }

  /** Frees the totals. */
  dispose(): void {
    this.state?.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** A metric that is the mean of values per sample, weighted if there are weights. */
export abstract class MeanMetric extends Metric {
  /** The value of each sample: (B, …). */
  abstract values(yTrue: Tensor, yPred: Tensor): Tensor

  /** Which values count, as booleans of their shape; all if undefined. */
  maskOf?(yTrue: Tensor, yPred: Tensor): Tensor | undefined

  override update(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): void {
    expectTensors(this.name, yTrue, yPred, sampleWeight)
    scope(() => this.add(inDType(this.values(yTrue, yPred), 'float32'), this.maskOf?.(yTrue, yPred), sampleWeight))
  }

  /** Adds values. Several per sample count as one sample with their mean, so that longer samples do not count more. */
  protected add(values: Tensor, mask: Tensor | undefined, sampleWeight: Tensor | undefined): void {
    const perSample = values.shape.slice(1).reduce((size, n) => size * n, 1)
    let weights = sampleWeight && matchedWeights(this.name, sampleWeight, values)
    if (mask) weights = weights ? ops.mul(weights, ops.cast(mask, 'float32')) : ops.cast(mask, 'float32')
    if (!weights) {
      const means =
        values.rank > 1
          ? ops.mean(
              values,
              Array.from({ length: values.rank - 1 }, (_, i) => i + 1)
            )
          : values
      accumulate(this.totals, means)
    } else {
      const shares = perSample === 1 ? weights : ops.div(weights, perSample)
      accumulate(this.totals, values, ops.broadcastTo(shares, values.shape))
    }
  }
}
