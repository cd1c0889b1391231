// Convolution layers that take each channel by itself: depthwise, and separable, which mix the channels afterwards.
import { type NamesOf, numberOption } from '../arguments'
import type * as constraints from '../constraints'
import type * as initializers from '../initializers'
import * as ops from '../ops'
import { convMoments, depthwiseConv } from '../ops/conv'
import type { FusedActivation } from '../ops/fused'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import type { BatchNormalization } from './batch-normalization'
import { Convolution, type ConvolutionOptions, convolutionOptions } from './convolution'
import type { PartialShape } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface DepthwiseConvOptions extends ConvolutionOptions {
  /** Default `valid`. */
  padding?: 'valid' | 'same' | undefined
  /** Outputs of each channel. Default 1. */
  depthMultiplier?: number | undefined
  /** Default `'glorotUniform'`. */
  depthwiseInitializer?: initializers.InitializerSpec | undefined
  depthwiseRegularizer?: regularizers.RegularizerSpec | null | undefined
  depthwiseConstraint?: constraints.ConstraintSpec | null | undefined
}

export interface SeparableConvOptions extends DepthwiseConvOptions {
  /** Channels of the output. */
  filters: number
  /** Default `'glorotUniform'`. */
  pointwiseInitializer?: initializers.InitializerSpec | undefined
  pointwiseRegularizer?: regularizers.RegularizerSpec | null | undefined
  pointwiseConstraint?: constraints.ConstraintSpec | null | undefined
}

abstract class DepthwiseConvolution extends Convolution {
  readonly depthMultiplier: number
  /** (kernel..., C, depthMultiplier) */
  depthwiseKernel: Variable | undefined
  private readonly depthwiseOptions: WeightSettings

  constructor(options: DepthwiseConvOptions, axes: number) {
    super(options, axes)
    this.depthMultiplier = numberOption(this.kind, 'depthMultiplier', options.depthMultiplier ?? 1, { integer: true, min: 1 })
    this.depthwiseOptions = weightOptions('depthwise', options, 'glorotUniform')
  }

  /** Adds the kernel and returns the channels that it makes. */
  protected addDepthwise(name: string, shape: PartialShape): number {
    const channels = this.channelsOf(shape)
    this.depthwiseKernel = this.addKernel(name, [...this.kernelSize, channels, this.depthMultiplier], this.depthwiseOptions)
    return channels * this.depthMultiplier
  }

  /** @internal */
  override filterBank(): Tensor {
    return ops.moveaxis(this.byGroup, -1, 0)
  }

  /** (kernel..., 1, C · depthMultiplier): the kernel as that of a convolution with a group for each channel. */
  protected get byGroup(): Tensor {
    const kernel = this.depthwiseKernel!
    return ops.reshape(kernel, [...this.kernelSize, 1, kernel.shape.at(-2)! * this.depthMultiplier])
  }

  protected get depthwiseGeometry(): Pick<ops.ConvOptions, 'strides' | 'padding' | 'dilationRate'> {
    const { strides, padding, dilationRate } = this
    return { strides, padding, dilationRate }
  }

  override getConfig(): Config {
    return { ...super.getConfig(), depthMultiplier: this.depthMultiplier, ...weightConfig('depthwise', this.depthwiseOptions) }
  }
}

abstract class DepthwiseConv extends DepthwiseConvolution {
  /** @internal */
  static override readonly optionNames: NamesOf<DepthwiseConvOptions> = {
    ...convolutionOptions,
    padding: 'optional',
    depthMultiplier: 'optional',
    depthwiseInitializer: 'optional',
    depthwiseRegularizer: 'optional',
    depthwiseConstraint: 'optional'
  }

  override build(shape: PartialShape): void {
    this.addBias(this.addDepthwise('kernel', shape))
  }

  protected get weight(): Tensor {
    return this.depthwiseKernel!
  }

  protected override folded(normalization: BatchNormalization): [weight: Tensor, bias: Tensor] {
    const [kernel, bias] = normalization.fold(this.byGroup, this.bias)
    return [ops.reshape(kernel, this.depthwiseKernel!.shape), bias]
  }

  protected get weightsPerFilter(): number {
    return this.depthwiseKernel!.size / (this.depthwiseKernel!.shape.at(-2)! * this.depthMultiplier)
  }

  protected convolve(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation): Tensor {
    return depthwiseConv(x, weight, { ...this.depthwiseGeometry, bias, activation })
  }

  override callMoments(x: Tensor, activation = this.ownActivation): [y: Tensor, mean: Tensor, variance: Tensor] {
    const bias = this.bias && this.cast(this.bias)
    return convMoments(x, this.cast(this.weight), { ...this.depthwiseGeometry, bias, activation, byChannel: true })
  }
}

/** Each channel by itself: (B, W, C) → (B, places, C · depthMultiplier). Weights: kernel (kW, C, depthMultiplier), bias. */
export class DepthwiseConv1d extends DepthwiseConv {
  /** As in Keras. */
  static readonly className = 'DepthwiseConv1D'
  constructor(options: DepthwiseConvOptions) {
    super(options, 1)
  }
}
/** Each channel by itself: (B, H, W, C) → (B, places down, places across, C · depthMultiplier). Weights: kernel (kH, kW, C, depthMultiplier), bias. */
export class DepthwiseConv2d extends DepthwiseConv {
  /** As in Keras. */
  static readonly className = 'DepthwiseConv2D'
  constructor(options: DepthwiseConvOptions) {
    super(options, 2)
  }
}

abstract class SeparableConv extends DepthwiseConvolution {
  /** @internal */
  static override readonly optionNames: NamesOf<SeparableConvOptions> = {
    ...DepthwiseConv.optionNames,
    filters: 'required',
    pointwiseInitializer: 'optional',
    pointwiseRegularizer: 'optional',
    pointwiseConstraint: 'optional'
  }
  readonly filters: number
  /** (1..., C · depthMultiplier, filters) */
  pointwiseKernel: Variable | undefined
  private readonly pointwiseOptions: WeightSettings

  constructor(options: SeparableConvOptions, axes: number) {
    super(options, axes)
    this.filters = numberOption(this.kind, 'filters', options.filters, { integer: true, min: 1 })
    this.pointwiseOptions = weightOptions('pointwise', options, 'glorotUniform')
  }

  override build(shape: PartialShape): void {
    const ones = new Array<number>(this.axes).fill(1)
    const between = this.addDepthwise('depthwise_kernel', shape)
    this.pointwiseKernel = this.addKernel('pointwise_kernel', [...ones, between, this.filters], this.pointwiseOptions)
    this.addBias(this.filters)
  }

  protected get weight(): Tensor {
    return this.pointwiseKernel!
  }

  protected get weightsPerFilter(): number {
    return this.pointwiseKernel!.size / this.filters
  }

  protected convolve(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation): Tensor {
    return ops.conv(this.between(x), weight, { bias, activation })
  }

  override callMoments(x: Tensor, activation = this.ownActivation): [y: Tensor, mean: Tensor, variance: Tensor] {
    return convMoments(this.between(x), this.cast(this.weight), { bias: this.bias && this.cast(this.bias), activation })
  }

  /** What the channels have become before they are mixed. */
  private between(x: Tensor): Tensor {
    return depthwiseConv(x, this.cast(this.depthwiseKernel!), this.depthwiseGeometry)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), filters: this.filters, ...weightConfig('pointwise', this.pointwiseOptions) }
  }
}
/** A depthwise convolution, then one over channels alone: (B, W, C) → (B, places, filters). Weights: depthwise kernel, pointwise kernel, bias. */
export class SeparableConv1d extends SeparableConv {
  /** As in Keras. */
  static readonly className = 'SeparableConv1D'
  constructor(options: SeparableConvOptions) {
    super(options, 1)
  }
}
/** A depthwise convolution, then one over channels alone: (B, H, W, C) → (B, places down, places across, filters). Weights: depthwise kernel, pointwise kernel, bias. */
export class SeparableConv2d extends SeparableConv {
  /** As in Keras. */
  static readonly className = 'SeparableConv2D'
  constructor(options: SeparableConvOptions) {
    super(options, 2)
  }
}
