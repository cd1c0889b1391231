// Losses as metrics: their values per sample, averaged over all batches since the reset, without penalties.
import * as losses from '../losses'
import * as hinge from '../losses/hinge'
import * as probabilistic from '../losses/probabilistic'
import * as regression from '../losses/regression'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type Direction, MeanMetric, type MetricOptions } from './metric'

/** The mean of a loss's values per sample. Less is better. */
abstract class MeanOfLoss extends MeanMetric {
  constructor(
    readonly loss: losses.Loss,
    name: string = loss.name
  ) {
    super({ name })
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
export class LossMetric extends MeanOfLoss {
  constructor(options: LossMetricOptions) {
    super(losses.get(options.loss), options.name)
  }

  override getConfig(): Config {
    return { name: this.name, loss: losses.serialize(this.loss) }
  }
}

/** Mean of (yPred − yTrue)². */
export class MeanSquaredError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.MeanSquaredError(options))
  }
}

/** Root of the mean of (yPred − yTrue)². */
export class RootMeanSquaredError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.MeanSquaredError({ name: options.name ?? 'rootMeanSquaredError' }))
  }

  override compute(totals: ArrayLike<number>): number {
    return Math.sqrt(super.compute(totals))
  }
}

/** Mean of |yPred − yTrue|. */
export class MeanAbsoluteError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.MeanAbsoluteError(options))
  }
}

/** 100 · mean of |yTrue − yPred| / max(|yTrue|, 1e-7). */
export class MeanAbsolutePercentageError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.MeanAbsolutePercentageError(options))
  }
}

/** Mean of (log(1 + yPred) − log(1 + yTrue))². */
export class MeanSquaredLogarithmicError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.MeanSquaredLogarithmicError(options))
  }
}

/** Mean of log(cosh(yPred − yTrue)). */
export class LogCoshError extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new regression.LogCosh({ name: options.name ?? 'logCoshError' }))
  }
}

/** Mean of the cosine of the angle between yTrue and yPred: 1 for the same direction (the loss is its negative). */
export class CosineSimilarity extends MeanOfLoss {
  constructor(options: Pick<losses.CosineSimilarityOptions, 'name' | 'axis'> = {}) {
    super(new regression.CosineSimilarity(options))
  }

  override get direction(): Direction {
    return 'up'
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return ops.neg(super.values(yTrue, yPred))
  }
}

/** Mean of the cross-entropy of yes-or-no targets. */
export class BinaryCrossentropy extends MeanOfLoss {
  constructor(options: Omit<losses.SmoothedCrossentropyOptions, 'reduction'> = {}) {
    super(new probabilistic.BinaryCrossentropy(options))
  }
}

/** Mean of the cross-entropy of targets that are distributions over classes. */
export class CategoricalCrossentropy extends MeanOfLoss {
  constructor(options: Omit<losses.SmoothedCrossentropyOptions, 'reduction'> = {}) {
    super(new probabilistic.CategoricalCrossentropy(options))
  }
}

/** Mean of the cross-entropy of class numbers. */
export class SparseCategoricalCrossentropy extends MeanOfLoss {
  constructor(options: Omit<losses.SparseCrossentropyOptions, 'reduction'> = {}) {
    super(new probabilistic.SparseCategoricalCrossentropy(options))
  }
}

/** Mean Kullback–Leibler divergence. */
export class KLDivergence extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new probabilistic.KLDivergence(options))
  }
}

/** Mean of yPred − yTrue log yPred. */
export class Poisson extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new probabilistic.Poisson(options))
  }
}

/** Mean of max(1 − yTrue yPred, 0). */
export class Hinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new hinge.Hinge(options))
  }
}

/** Mean of max(1 − yTrue yPred, 0)². */
export class SquaredHinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new hinge.SquaredHinge(options))
  }
}

/** Mean of max(max((1 − yTrue) yPred) − Σ yTrue yPred + 1, 0). */
export class CategoricalHinge extends MeanOfLoss {
  constructor(options: MetricOptions = {}) {
    super(new hinge.CategoricalHinge(options))
  }
}
