// Convolution layers: plain, transposed, depthwise and separable.
import * as activations from '../activations'
import { booleanOption, choice, numberOption } from '../arguments'
import type * as constraints from '../constraints'
import { ArgumentError, ShapeError, showShape } from '../errors'
import type * as initializers from '../initializers'
import * as ops from '../ops'
import { convMaxPool } from '../ops/conv-pool'
import type { FusedActivation } from '../ops/fused'
import { perAxis, type Sizes } from '../ops/windows'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { type DataFormat, withChannelsLast } from './data-format'
import type { Epilogue, FusedPart } from './fusion'
import type { CallContext, LayerOptions, PartialShape } from './layer'
import { SpatialLayer } from './spatial-layer'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

/** What all convolution layers have in common. */
interface CommonOptions extends LayerOptions {
  /** Size of the kernel: one number, or one for each spatial axis. */
  kernelSize: Sizes
  /** Default 1. Strides and dilation cannot both be over 1. */
  strides?: Sizes | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
  /** Distance between neighbouring elements of the kernel. Default 1. */
  dilationRate?: Sizes | undefined
  /** Default `'linear'`. */
  activation?: activations.ActivationSpec | null | undefined
  /** Default true. */
  useBias?: boolean | undefined
  /** Default `'zeros'`. */
  biasInitializer?: initializers.InitializerSpec | undefined
  biasRegularizer?: regularizers.RegularizerSpec | null | undefined
  biasConstraint?: constraints.ConstraintSpec | null | undefined
}

interface KernelOptions {
  /** Default `'glorotUniform'`. */
  kernelInitializer?: initializers.InitializerSpec | undefined
  kernelRegularizer?: regularizers.RegularizerSpec | null | undefined
  kernelConstraint?: constraints.ConstraintSpec | null | undefined
}

export interface ConvOptions extends CommonOptions, KernelOptions {
  /** Channels of the output. */
  filters: number
  /** `valid`: the kernel stays inside; `same`: ceil(size / stride) places, the odd element of padding at the end; `causal` (1-D): all padding in front. Default `valid`. */
  padding?: 'valid' | 'same' | 'causal' | undefined
  /** Parts that channels and filters are cut into; each sees its own only. Default 1. */
  groups?: number | undefined
}

export interface ConvTransposeOptions extends CommonOptions, KernelOptions {
  /** Channels of the output. */
  filters: number
  /** Default `valid`. */
  padding?: 'valid' | 'same' | undefined
  /** Added to the output's size on each axis, less than the stride. Default: the size that `padding` gives. */
  outputPadding?: Sizes | null | undefined
}

export interface DepthwiseConvOptions extends CommonOptions {
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

/** What all convolution layers share. */
export abstract class Convolution extends SpatialLayer {
  readonly kernelSize: readonly number[]
  readonly strides: readonly number[]
  readonly dilationRate: readonly number[]
  readonly padding: 'valid' | 'same' | 'causal'
  readonly useBias: boolean
  bias: Variable | undefined
  protected readonly activation: activations.Activation
  private readonly biasOptions: WeightSettings
  /** Of the input that the weights were made for. */
  private channels: number | undefined

  constructor(
    options: CommonOptions & { padding?: string | undefined },
    protected readonly axes: number,
    paddings: readonly ('valid' | 'same' | 'causal')[] = ['valid', 'same']
  ) {
    super(options)
    this.kernelSize = perAxis(this.kind, 'kernelSize', options.kernelSize, axes)
    this.strides = perAxis(this.kind, 'strides', options.strides ?? 1, axes)
    this.dilationRate = perAxis(this.kind, 'dilationRate', options.dilationRate ?? 1, axes)
    this.padding = choice(this.kind, 'padding', options.padding ?? 'valid', paddings)
    if (this.strides.some((n) => n > 1) && this.dilationRate.some((n) => n > 1)) {
      throw this.failure(
        ArgumentError,
        `expected strides or dilationRate of 1, received strides [${this.strides}] and dilationRate [${this.dilationRate}]`
      )
    }
    this.useBias = booleanOption(this.kind, 'useBias', options.useBias ?? true)
    this.activation = activations.get(options.activation)
    this.biasOptions = weightOptions('bias', options, 'zeros')
  }

  /** The input's channels, for which weights are made. */
  protected channelsOf(shape: PartialShape): number {
    const channels = this.dataFormat === 'channelsLast' ? shape.at(-1) : shape[1]
    if (shape.length === this.axes + 2 && channels) {
      this.channels = channels
      return channels
    }
    throw this.failure(
      ShapeError,
      `expected an input of rank ${this.axes + 2} (${this.axes} spatial axes) whose channels are known and at least 1, received ${showShape(shape)}`
    )
  }

  protected override checkInput(shape: PartialShape): void {
    super.checkInput(shape)
    const channels = this.dataFormat === 'channelsLast' ? shape.at(-1) : shape[1]
    if (channels == null || channels === this.channels) return
    throw this.failure(ShapeError, `expected an input of ${this.channels} channels, received ${showShape(shape)}`)
  }

  protected addKernel(name: string, shape: readonly number[], { initializer, regularizer, constraint }: WeightSettings): Variable {
    return this.addWeight({ name, shape: [...shape], initializer, regularizer, constraint })
  }

  protected addBias(filters: number): void {
    if (this.useBias) this.bias = this.addKernel('bias', [filters], this.biasOptions)
  }

  /** @internal The filters of a built layer as (filters, kernel..., channels that each sees). */
  abstract filterBank(): Tensor

  /** The kernel of the product that the bias is added to, float32; the filters are its last axis, except in transposed convolutions. */
  protected abstract get weight(): Tensor

  /** How many elements of that kernel belong to a filter; infinite where they cannot be scaled by filter. */
  protected abstract get weightsPerFilter(): number

  /** The product of images with their channels last, with bias and activation, and the maxima of windows where it `pools`. */
  protected abstract convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | undefined,
    activation: FusedActivation,
    pool?: Epilogue['pool']
  ): Tensor

  override call(x: Tensor): Tensor {
    const fused = activations.fusedActivation(this.activation)
    const y = withChannelsLast(x, this.dataFormat, (images) => this.product(images, fused ?? 'none'))
    return fused ? y : this.activation.fn(y)
  }

  override fusedPart(): FusedPart | undefined {
    const activation = activations.fusedActivation(this.activation)
    if (activation === undefined || this.dataFormat !== 'channelsLast') return undefined
    return activation === 'none' || this.pools ? { kind: 'product', activation, pools: this.pools } : undefined
  }

  /** Whether `convolve` takes windows. */
  protected get pools(): boolean {
    return false
  }

  override callFused(x: Tensor, _context: CallContext, { normalization, activation, pool }: Epilogue): Tensor {
    const [weight, bias] = normalization?.fold(this.weight, this.bias) ?? [this.weight, this.bias]
    return this.product(x, activation ?? activations.fusedActivation(this.activation)!, weight, bias, pool)
  }

  override canFold(x: Tensor): boolean {
    const places = this.strides.reduce((size, stride) => size / stride, x.size / x.shape.at(-1)!)
    return places > this.weightsPerFilter
  }

  private product(
    x: Tensor,
    activation: FusedActivation,
    weight = this.weight,
    bias: Tensor | undefined = this.bias,
    pool?: Epilogue['pool']
  ): Tensor {
    return this.convolve(x, this.cast(weight), bias && this.cast(bias), activation, pool)
  }

  override getConfig(): Config {
    const { kernelSize, strides, dilationRate, padding, useBias } = this
    const activation = activations.serialize(this.activation)
    return {
      ...super.getConfig(),
      kernelSize,
      strides,
      dilationRate,
      padding,
      activation,
      useBias,
      ...weightConfig('bias', this.biasOptions)
    }
  }
}

abstract class Conv extends Convolution {
  readonly filters: number
  readonly groups: number
  /** (kernel..., C / groups, filters) */
  kernel: Variable | undefined
  private readonly kernelOptions: WeightSettings

  constructor(options: ConvOptions, axes: number) {
    super(options, axes, axes === 1 ? ['valid', 'same', 'causal'] : ['valid', 'same'])
    this.filters = numberOption(this.kind, 'filters', options.filters, { integer: true, min: 1 })
    this.groups = numberOption(this.kind, 'groups', options.groups ?? 1, { integer: true, min: 1 })
    this.kernelOptions = weightOptions('kernel', options, 'glorotUniform')
    if (this.filters % this.groups !== 0)
      throw this.failure(ArgumentError, `expected groups to divide ${this.filters} filters, received ${this.groups}`)
  }

  override build(shape: PartialShape): void {
    const channels = this.channelsOf(shape)
    if (channels % this.groups !== 0)
      throw this.failure(ShapeError, `expected groups to divide ${channels} channels, received ${this.groups}`)
    this.kernel = this.addKernel('kernel', [...this.kernelSize, channels / this.groups, this.filters], this.kernelOptions)
    this.addBias(this.filters)
  }

  /** @internal */
  override filterBank(): Tensor {
    return ops.moveaxis(this.kernel!, -1, 0)
  }

  protected get weight(): Tensor {
    return this.kernel!
  }

  protected get weightsPerFilter(): number {
    return this.kernel!.size / this.filters
  }

  protected override get pools(): boolean {
    return true
  }

  protected convolve(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation, pool?: Epilogue['pool']): Tensor {
    const { strides, padding, dilationRate, groups } = this
    const options = { strides, padding, dilationRate, groups, bias, activation }
    return pool ? convMaxPool(x, weight, options, pool) : ops.conv(x, weight, options)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), filters: this.filters, groups: this.groups, ...weightConfig('kernel', this.kernelOptions) }
  }
}
/** Convolution of sequences: (B, W, C) → (B, places, filters). Weights: kernel (kW, C / groups, filters), bias (filters). */
export class Conv1d extends Conv {
  /** As in Keras. */
  static readonly className = 'Conv1D'
  constructor(options: ConvOptions) {
    super(options, 1)
  }
}
/** Convolution of images: (B, H, W, C) → (B, places down, places across, filters). Weights: kernel (kH, kW, C / groups, filters), bias (filters). */
export class Conv2d extends Conv {
  /** As in Keras. */
  static readonly className = 'Conv2D'
  constructor(options: ConvOptions) {
    super(options, 2)
  }
}
/** Convolution of volumes: (B, D, H, W, C) → (B, places…, filters). Weights: kernel (kD, kH, kW, C / groups, filters), bias (filters). */
export class Conv3d extends Conv {
  /** As in Keras. */
  static readonly className = 'Conv3D'
  constructor(options: ConvOptions) {
    super(options, 3)
  }
}

abstract class ConvTranspose extends Convolution {
  readonly filters: number
  readonly outputPadding: readonly number[] | null
  /** (kernel..., filters, C) */
  kernel: Variable | undefined
  private readonly kernelOptions: WeightSettings

  constructor(options: ConvTransposeOptions, axes: number) {
    super(options, axes)
    this.filters = numberOption(this.kind, 'filters', options.filters, { integer: true, min: 1 })
    const { outputPadding } = options
    this.outputPadding = outputPadding == null ? null : perAxis(this.kind, 'outputPadding', outputPadding, axes, 0)
    if (this.outputPadding?.some((n, axis) => n >= this.strides[axis]!)) {
      throw this.failure(
        ArgumentError,
        `expected outputPadding to be less than the strides [${this.strides}], received [${this.outputPadding}]`
      )
    }
    this.kernelOptions = weightOptions('kernel', options, 'glorotUniform')
  }

  override build(shape: PartialShape): void {
    this.kernel = this.addKernel('kernel', [...this.kernelSize, this.filters, this.channelsOf(shape)], this.kernelOptions)
    this.addBias(this.filters)
  }

  /** @internal */
  override filterBank(): Tensor {
    return ops.moveaxis(this.kernel!, -2, 0)
  }

  protected get weight(): Tensor {
    return this.kernel!
  }

  protected get weightsPerFilter(): number {
    return Number.POSITIVE_INFINITY
  }

  protected convolve(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation): Tensor {
    const { strides, dilationRate, outputPadding } = this
    const padding = this.padding as 'valid' | 'same'
    return ops.convTranspose(x, weight, { strides, padding, dilationRate, outputPadding, bias, activation })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), filters: this.filters, outputPadding: this.outputPadding, ...weightConfig('kernel', this.kernelOptions) }
  }
}
/** Transposed convolution of sequences: (B, W, C) → (B, longer, filters). Weights: kernel (kW, filters, C), bias (filters). */
export class Conv1dTranspose extends ConvTranspose {
  /** As in Keras. */
  static readonly className = 'Conv1DTranspose'
  constructor(options: ConvTransposeOptions) {
    super(options, 1)
  }
}
/** Transposed convolution of images: (B, H, W, C) → (B, larger, larger, filters). Weights: kernel (kH, kW, filters, C), bias (filters). */
export class Conv2dTranspose extends ConvTranspose {
  /** As in Keras. */
  static readonly className = 'Conv2DTranspose'
  constructor(options: ConvTransposeOptions) {
    super(options, 2)
  }
}
/** Transposed convolution of volumes: (B, D, H, W, C) → (B, larger…, filters). Weights: kernel (kD, kH, kW, filters, C), bias (filters). */
export class Conv3dTranspose extends ConvTranspose {
  /** As in Keras. */
  static readonly className = 'Conv3DTranspose'
  constructor(options: ConvTransposeOptions) {
    super(options, 3)
  }
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

  protected depthwise(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation): Tensor {
    const { strides, padding, dilationRate } = this
    return ops.conv(x, weight, { strides, padding, dilationRate, groups: x.shape.at(-1)!, bias, activation })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), depthMultiplier: this.depthMultiplier, ...weightConfig('depthwise', this.depthwiseOptions) }
  }
}

abstract class DepthwiseConv extends DepthwiseConvolution {
  override build(shape: PartialShape): void {
    this.addBias(this.addDepthwise('kernel', shape))
  }

  protected get weight(): Tensor {
    return this.byGroup
  }

  protected get weightsPerFilter(): number {
    return this.depthwiseKernel!.size / (this.depthwiseKernel!.shape.at(-2)! * this.depthMultiplier)
  }

  protected convolve(x: Tensor, weight: Tensor, bias: Tensor | undefined, activation: FusedActivation): Tensor {
    return this.depthwise(x, weight, bias, activation)
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
    return ops.conv(this.depthwise(x, this.cast(this.byGroup), undefined, 'none'), weight, { bias, activation })
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
