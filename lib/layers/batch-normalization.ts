// Batch normalisation.
import { numberOption } from '../arguments'
import * as initializers from '../initializers'
import * as ops from '../ops'
import { movingAverages } from '../ops/training'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { AffineLayer, type AffineLayerOptions } from './affine'
import { sizesAlong } from './axes'
import type { Epilogue, FusedPart } from './fusion'
import type { CallContext, PartialShape } from './layer'

export interface BatchNormalizationOptions extends AffineLayerOptions {
  /** The axis of the channels. Default −1; any other costs a transposition each way. */
  axis?: number | undefined
  /** How much of the moving statistics a step keeps. Default 0.99. */
  momentum?: number | undefined
  /** Default `'zeros'`. */
  movingMeanInitializer?: initializers.InitializerSpec | undefined
  /** Default `'ones'`. */
  movingVarianceInitializer?: initializers.InitializerSpec | undefined
}

/**
 * (x − mean) / √(variance + epsilon) · gamma + beta by channel: the shape stays. In training (unless `trainable` is false) mean and
 * population variance are the batch's, and the moving ones become moving · momentum + batch · (1 − momentum); else they are the moving ones.
 * Statistics are float32. Weights: gamma, beta, movingMean, movingVariance, each (C). Ioffe and Szegedy, 2015.
 */
export class BatchNormalization extends AffineLayer {
  readonly axis: number
  readonly momentum: number
  movingMean: Variable | undefined
  movingVariance: Variable | undefined
  private readonly movingMeanInitializer: initializers.Initializer
  private readonly movingVarianceInitializer: initializers.Initializer

  constructor(options: BatchNormalizationOptions = {}) {
    super(options)
    this.axis = numberOption(this.kind, 'axis', options.axis ?? -1, { integer: true })
    this.momentum = numberOption(this.kind, 'momentum', options.momentum ?? 0.99, { min: 0, max: 1 })
    this.movingMeanInitializer = initializers.get(options.movingMeanInitializer ?? 'zeros')
    this.movingVarianceInitializer = initializers.get(options.movingVarianceInitializer ?? 'ones')
  }

  override build(shape: PartialShape): void {
    const channels = sizesAlong(this.kind, shape, this.axis)
    this.addAffine(channels)
    const moving = { shape: channels, trainable: false }
    this.movingMean = this.addWeight({ ...moving, name: 'moving_mean', initializer: this.movingMeanInitializer })
    this.movingVariance = this.addWeight({ ...moving, name: 'moving_variance', initializer: this.movingVarianceInitializer })
  }

  override call(x: Tensor, context: CallContext): Tensor {
    if (this.isLast(x.rank)) return this.callFused(x, context)
    return ops.moveaxis(this.callFused(ops.moveaxis(x, this.axis, -1), context), -1, this.axis)
  }

  private isLast(rank: number): boolean {
    return this.axis === -1 || this.axis === rank - 1
  }

  override fusedPart(rank: number): FusedPart | undefined {
    return this.isLast(rank) ? { kind: 'normalization' } : undefined
  }

  override callFused(x: Tensor, { training }: CallContext, { residual, activation = 'none' }: Epilogue = {}): Tensor {
    const { gamma, beta, epsilon } = this
    const options = { gamma, beta, epsilon, residual, activation: activation as 'none' | 'relu' }
    const [movingMean, movingVariance] = [this.movingMean!, this.movingVariance!]
    if (!training || !this.trainable) return ops.batchNorm(x, movingMean, movingVariance, options)
    const [y, mean, variance] = ops.batchNormTraining(x, options)
    movingAverages([movingMean, movingVariance], [mean, variance], this.momentum)
    return y
  }

  /**
   * @internal Kernel (…, C) and bias (C), float32, whose product is what this layer makes, outside of training, of the product of those
   * given: the kernel is scaled as x is; the bias is normalised as x is.
   */
  fold(kernel: Tensor, bias: Tensor | undefined): [kernel: Tensor, bias: Tensor] {
    const { gamma, beta, epsilon } = this
    const [mean, variance] = [this.movingMean!, this.movingVariance!]
    const none = ops.zerosLike(mean)
    const row = ops.reshape(bias ?? none, [1, mean.size])
    const shifted = ops.batchNorm(row, mean, variance, { gamma, beta, epsilon })
    return [ops.batchNorm(kernel, none, variance, { gamma, epsilon }), ops.reshape(shifted, mean.shape)]
  }

  override getConfig(): Config {
    return {
      ...super.getConfig(),
      axis: this.axis,
      momentum: this.momentum,
      movingMeanInitializer: initializers.serialize(this.movingMeanInitializer),
      movingVarianceInitializer: initializers.serialize(this.movingVarianceInitializer)
    }
  }
}
