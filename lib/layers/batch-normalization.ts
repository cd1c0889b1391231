// Batch normalisation.
import { booleanOption, checkOptions, type NamesOf, numberOption, optionalNumber } from '../arguments'
import { inDType } from '../dtype'
import { ArgumentError, failure, ShapeError, show } from '../errors'
import * as initializers from '../initializers'
import * as ops from '../ops'
import { normalizedBatch } from '../ops/normalization'
import { movingAverages } from '../ops/training'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { AffineLayer, type AffineLayerOptions, affineLayerOptions } from './affine'
import { misfitAlong, sizesAlong } from './axes'
import type { Epilogue, FusedPart } from './fusion'
import type { CallContext, PartialShape } from './options'

export interface BatchNormalizationOptions extends AffineLayerOptions {
  /** The axis of the channels. Default −1; any other costs a transposition each way. */
  axis?: number | undefined
  /** How much of the moving statistics a step keeps. Default 0.99. */
  momentum?: number | undefined
  /** Default `'zeros'`. */
  movingMeanInitializer?: initializers.InitializerSpec | undefined
  /** Default `'ones'`. */
  movingVarianceInitializer?: initializers.InitializerSpec | undefined
  /** Whether to renormalise in training: see {@link BatchNormalization}. Default false. */
  renorm?: boolean | undefined
  /** Bounds of the corrections of `renorm`. Default: none. */
  renormClipping?: RenormClipping | null | undefined
  /** How much of their own moving statistics the corrections of `renorm` keep at a step. Default 0.99. */
  renormMomentum?: number | undefined
  /** Whether replicas of a model share the statistics of a batch. A model runs on one device, so only false, the default. */
  synchronized?: boolean | undefined
}

/** Bounds of r and d: r in [rmin, rmax], d in [−dmax, dmax]. */
export interface RenormClipping {
  rmin?: number | undefined
  rmax?: number | undefined
  dmax?: number | undefined
}

const renormClipping: NamesOf<RenormClipping> = { rmin: 'optional', rmax: 'optional', dmax: 'optional' }

/** The weights that `renorm` adds, each (C). */
interface RenormWeights {
  movingStddev: Variable
  renormMean: Variable
  renormStddev: Variable
}

/**
 * (x − mean) / √(variance + epsilon) · gamma + beta by channel: the shape stays. In training (unless `trainable` is false) mean and
 * population variance are the batch's, and the moving ones become moving · momentum + batch · (1 − momentum); else they are the moving ones.
 * Statistics are float32. Weights: gamma, beta, movingMean, movingVariance, each (C). Ioffe and Szegedy, 2015.
 *
 * With `renorm` what is normalised in training is corrected to x̂ · r + d before gamma and beta: r = σ / σ' and d = (mean − mean') / σ',
 * where σ = √(variance + epsilon) and mean', σ' are moving averages of their own; no gradient flows through r and d. The moving variance
 * then comes from a moving average of σ. Further weights: movingStddev, renormMean, renormStddev. Ioffe, 2017.
 */
export class BatchNormalization extends AffineLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<BatchNormalizationOptions> = {
    ...affineLayerOptions,
    axis: 'optional',
    momentum: 'optional',
    movingMeanInitializer: 'optional',
    movingVarianceInitializer: 'optional',
    renorm: 'optional',
    renormClipping: 'optional',
    renormMomentum: 'optional',
    synchronized: 'optional'
  }
  readonly axis: number
  readonly momentum: number
  readonly renorm: boolean
  readonly renormClipping: RenormClipping | undefined
  readonly renormMomentum: number
  movingMean: Variable | undefined
  movingVariance: Variable | undefined
  private renormWeights: RenormWeights | undefined
  private readonly movingMeanInitializer: initializers.Initializer
  private readonly movingVarianceInitializer: initializers.Initializer

  constructor(options: BatchNormalizationOptions = {}) {
    super(options)
    this.axis = numberOption(this.kind, 'axis', options.axis ?? -1, { integer: true })
    this.momentum = numberOption(this.kind, 'momentum', options.momentum ?? 0.99, { min: 0, max: 1 })
    this.renorm = booleanOption(this.kind, 'renorm', options.renorm ?? false)
    this.renormClipping = clippingOption(this.kind, options.renormClipping)
    this.renormMomentum = numberOption(this.kind, 'renormMomentum', options.renormMomentum ?? 0.99, { min: 0, max: 1 })
    if (options.synchronized !== undefined && options.synchronized !== false) {
      const received = show(options.synchronized)
      throw failure(ArgumentError, this.kind, `expected synchronized to be false, since a model runs on one device, received ${received}`)
    }
    this.movingMeanInitializer = initializers.get(options.movingMeanInitializer ?? 'zeros')
    this.movingVarianceInitializer = initializers.get(options.movingVarianceInitializer ?? 'ones')
  }

  override build(shape: PartialShape): void {
    const channels = sizesAlong(this.kind, shape, this.axis)
    this.addAffine(channels)
    const moving = { shape: channels, trainable: false }
    this.movingMean = this.addWeight({ ...moving, name: 'moving_mean', initializer: this.movingMeanInitializer })
    this.movingVariance = this.addWeight({ ...moving, name: 'moving_variance', initializer: this.movingVarianceInitializer })
    if (!this.renorm) return
    const rooted: initializers.InitializerFunction = (sizes, dtype) => ops.sqrt(this.movingVarianceInitializer.initialize(sizes, dtype))
    this.renormWeights = {
      movingStddev: this.addWeight({ ...moving, name: 'moving_stddev', initializer: rooted }),
      renormMean: this.addWeight({ ...moving, name: 'renorm_mean', initializer: this.movingMeanInitializer }),
      renormStddev: this.addWeight({ ...moving, name: 'renorm_stddev', initializer: rooted })
    }
  }

  protected override checkInput(shape: PartialShape): void {
    const weight = this.movingMean
    const wrong = weight && misfitAlong(this.kind, shape, this.axis, weight.shape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  override call(x: Tensor, context: CallContext): Tensor {
    if (this.isLast(x.rank)) return this.callFused(x, context)
    return ops.moveaxis(this.callFused(ops.moveaxis(x, this.axis, -1), context), -1, this.axis)
  }

  private isLast(rank: number): boolean {
    return this.axis === -1 || this.axis === rank - 1
  }

  override fusedPart(rank: number): FusedPart | undefined {
    return this.isLast(rank) && !this.renorm ? { kind: 'normalization' } : undefined
  }

  /** @internal Whether it normalises with the moments of what it is given. */
  usesMoments({ training }: CallContext): boolean {
    return training && this.trainable
  }

  override callFused(x: Tensor, context: CallContext, { moments, residual, activation = 'none' }: Epilogue = {}): Tensor {
    const { gamma, beta, epsilon } = this
    const options = { gamma, beta, epsilon, residual, activation: activation as 'none' | 'relu' }
    const [movingMean, movingVariance] = [this.movingMean!, this.movingVariance!]
    if (!this.usesMoments(context)) return ops.batchNorm(x, movingMean, movingVariance, options)
    if (this.renormWeights) return this.renormalize(x, this.renormWeights)
    const [y, mean, variance] = moments ? [normalizedBatch(x, moments, options), ...moments] : ops.batchNormTraining(x, options)
    movingAverages([movingMean, movingVariance], [mean, variance], this.momentum)
    return y
  }

  private renormalize(x: Tensor, { movingStddev, renormMean, renormStddev }: RenormWeights): Tensor {
    const { gamma, beta, epsilon } = this
    const [movingMean, movingVariance] = [this.movingMean!, this.movingVariance!]
    const { rmin, rmax, dmax } = this.renormClipping ?? {}
    const [normalized, mean, variance] = ops.batchNormTraining(x, { epsilon })
    const stddev = ops.sqrt(ops.add(variance, epsilon))
    const reference = ops.maximum(renormStddev, Math.sqrt(epsilon))
    const r = ops.clip(ops.div(stddev, reference), rmin ?? 0, rmax ?? Number.POSITIVE_INFINITY)
    const d = ops.clip(ops.div(ops.sub(mean, renormMean), reference), -(dmax ?? Number.POSITIVE_INFINITY), dmax ?? Number.POSITIVE_INFINITY)
    movingAverages([renormMean, renormStddev], [mean, stddev], this.renormMomentum)
    movingAverages([movingMean, movingStddev], [mean, stddev], this.momentum)
    movingVariance.assign(ops.relu(ops.sub(ops.square(movingStddev), epsilon)))
    const [scale, offset] = gamma ? [ops.mul(r, gamma), ops.mul(d, gamma)] : [r, d]
    const y = ops.add(ops.mul(inDType(normalized, 'float32'), scale), beta ? ops.add(offset, beta) : offset)
    return inDType(y, x.dtype as 'float32' | 'bfloat16')
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
      renorm: this.renorm,
      renormClipping: this.renormClipping ?? null,
      renormMomentum: this.renormMomentum,
      movingMeanInitializer: initializers.serialize(this.movingMeanInitializer),
      movingVarianceInitializer: initializers.serialize(this.movingVarianceInitializer)
    }
  }
}

/** @throws ArgumentError unless the bounds are numbers in their order */
function clippingOption(owner: string, value: RenormClipping | null | undefined): RenormClipping | undefined {
  if (value == null) return undefined
  checkOptions(`${owner}.renormClipping`, value, renormClipping)
  const rmin = optionalNumber(owner, 'renormClipping.rmin', value.rmin, { min: 0 })
  const rmax = optionalNumber(owner, 'renormClipping.rmax', value.rmax, { min: rmin ?? 0 })
  const dmax = optionalNumber(owner, 'renormClipping.dmax', value.dmax, { min: 0 })
  return { ...(rmin !== undefined && { rmin }), ...(rmax !== undefined && { rmax }), ...(dmax !== undefined && { dmax }) }
}
