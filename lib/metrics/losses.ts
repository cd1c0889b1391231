// Losses as metrics: their values per sample, averaged over all batches since the reset, without penalties.
import type { NamesOf } from '../arguments'
import * as losses from '../losses'
import * as hinge from '../losses/hinge'
import * as probabilistic from '../losses/probabilistic'
import * as regression from '../losses/regression'
import * as ops from '../ops'
import { type Config, classOptions, kindOf } from '../serialization'
import type { Tensor } from '../tensor'
import { type Direction, MeanMetric, type MetricOptions, metricOptions } from './metric'

/** The mean of a loss's values per sample. Less is better. */
abstract class MeanOfLoss<O extends MetricOptions = MetricOptions> extends MeanMetric {
  readonly loss: losses.Loss

  constructor(options: O, make: (options: O) => losses.Loss) {
    const given = classOptions(kindOf(new.target), new.target, options, new.target.optionNames)
    const loss = make(given)
    super({ ...given, name: given.name ?? loss.name })
    this.loss = loss
  }

  override get direction(): Direction {
    return 'down'
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return this.loss.values(yTrue, yPred)
  }

  override maskOf(yTrue: Tensor, yPred: Tensor): Tensor | undefined {
    return this.loss.maskOf?.(yTrue, yPred)
  }

  override getConfig(): Config {
    const { reduction: _reduction, ...config } = this.loss.getConfig()
    return { ...config, name: this.name }
  }
}

export interface LossMetricOptions extends MetricOptions {
  loss: losses.LossSpec
}

/** The mean of any loss's values per sample: what a loss becomes that is given as a metric. */
export class LossMetric extends MeanOfLoss<LossMetricOptions> {
  /** @internal */
  static override readonly optionNames: NamesOf<LossMetricOptions> = { ...metricOptions, loss: 'required' }

  constructor(options: LossMetricOptions) {
    super(options, ({ loss }) => losses.get(loss))
  }

  override getConfig(): Config {
    return { name: this.name, loss: losses.serialize(this.loss) }
  }
}

/** Mean of (yPred − yTrue)². */
export class MeanSquaredError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new regression.MeanSquaredError(given))
  }
}

/** Root of the mean of (yPred − yTrue)². */
export class RootMeanSquaredError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, ({ name = 'rootMeanSquaredError' }) => new regression.MeanSquaredError({ name }))
  }

  override compute(totals: ArrayLike<number>): number {
    return Math.sqrt(super.compute(totals))
  }
}

/** Mean of |yPred − yTrue|. */
export class MeanAbsoluteError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new regression.MeanAbsoluteError(given))
  }
}

/** 100 · mean of |yTrue − yPred| / max(|yTrue|, 1e-7). */
export class MeanAbsolutePercentageError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new regression.MeanAbsolutePercentageError(given))
  }
}

/** Mean of (log(1 + yPred) − log(1 + yTrue))². */
export class MeanSquaredLogarithmicError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new regression.MeanSquaredLogarithmicError(given))
  }
}

/** Mean of log(cosh(yPred − yTrue)). */
export class LogCoshError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, ({ name = 'logCoshError' }) => new regression.LogCosh({ name }))
  }
}

/** Mean of the cosine of the angle between yTrue and yPred: 1 for the same direction (the loss is its negative). */
export class CosineSimilarity extends MeanOfLoss<Pick<losses.CosineSimilarityOptions, 'name' | 'axis'>> {
  /** @internal */
  static override readonly optionNames: NamesOf<Pick<losses.CosineSimilarityOptions, 'name' | 'axis'>> = {
    ...metricOptions,
    axis: 'optional'
  }

  constructor(options: Pick<losses.CosineSimilarityOptions, 'name' | 'axis'> = {}) {
    super(options, (given) => new regression.CosineSimilarity(given))
  }

  override get direction(): Direction {
    return 'up'
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return ops.neg(super.values(yTrue, yPred))
  }
}

/** Mean of the cross-entropy of yes-or-no targets. */
export class BinaryCrossentropy extends MeanOfLoss<Omit<losses.SmoothedCrossentropyOptions, 'reduction'>> {
  /** @internal */
  static override readonly optionNames: NamesOf<Omit<losses.SmoothedCrossentropyOptions, 'reduction'>> = {
    ...metricOptions,
    fromLogits: 'optional',
    labelSmoothing: 'optional',
    axis: 'optional'
  }

  constructor(options: Omit<losses.SmoothedCrossentropyOptions, 'reduction'> = {}) {
    super(options, (given) => new probabilistic.BinaryCrossentropy(given))
  }
}

/** Mean of the cross-entropy of targets that are distributions over classes. */
export class CategoricalCrossentropy extends MeanOfLoss<Omit<losses.SmoothedCrossentropyOptions, 'reduction'>> {
  /** @internal */
  static override readonly optionNames: NamesOf<Omit<losses.SmoothedCrossentropyOptions, 'reduction'>> = {
    ...metricOptions,
    fromLogits: 'optional',
    labelSmoothing: 'optional',
    axis: 'optional'
  }

  constructor(options: Omit<losses.SmoothedCrossentropyOptions, 'reduction'> = {}) {
    super(options, (given) => new probabilistic.CategoricalCrossentropy(given))
  }
}

/** Mean of the cross-entropy of class numbers. */
export class SparseCategoricalCrossentropy extends MeanOfLoss<Omit<losses.SparseCrossentropyOptions, 'reduction'>> {
  /** @internal */
  static override readonly optionNames: NamesOf<Omit<losses.SparseCrossentropyOptions, 'reduction'>> = {
    ...metricOptions,
    fromLogits: 'optional',
    ignoreClass: 'optional'
  }

  constructor(options: Omit<losses.SparseCrossentropyOptions, 'reduction'> = {}) {
    super(options, (given) => new probabilistic.SparseCategoricalCrossentropy(given))
  }
}

/** Mean Kullback–Leibler divergence. */
export class KLDivergence extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new probabilistic.KLDivergence(given))
  }
}

/** Mean of yPred − yTrue log yPred. */
export class Poisson extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new probabilistic.Poisson(given))
  }
}

/** Mean of max(1 − yTrue yPred, 0). */
export class Hinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new hinge.Hinge(given))
  }
}

/** Mean of max(1 − yTrue yPred, 0)². */
export class SquaredHinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new hinge.SquaredHinge(given))
  }
}

/** Mean of max(max((1 − yTrue) yPred) − Σ yTrue yPred + 1, 0). */
export class CategoricalHinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(options, (given) => new hinge.CategoricalHinge(given))
  }
}
