// Convolution layers whose filters see all channels, or those of their group.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError, ShapeError } from '../errors'
import * as ops from '../ops'
import { convMoments } from '../ops/conv'
import { convMaxPool } from '../ops/conv-pool'
import type { FusedActivation } from '../ops/fused'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { Convolution, type ConvolutionOptions, convolutionOptions, type KernelOptions, kernelOptions } from './convolution'
import type { Epilogue } from './fusion'
import type { PartialShape } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface ConvOptions extends ConvolutionOptions, KernelOptions {
  /** Channels of the output. */
  filters: number
  /** `valid`: the kernel stays inside; `same`: ceil(size / stride) places, the odd element of padding at the end; `causal` (1-D): all padding in front. Default `valid`. */
  padding?: 'valid' | 'same' | 'causal' | undefined
  /** Parts that channels and filters are cut into; each sees its own only. Default 1. */
  groups?: number | undefined
}

abstract class Conv extends Convolution {
  /** @internal */
  static override readonly optionNames: NamesOf<ConvOptions> = {
    ...convolutionOptions,
    ...kernelOptions,
    filters: 'required',
    padding: 'optional',
    groups: 'optional'
  }
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

  protected override get fuses(): boolean {
    return true
  }

  private get options(): ops.ConvOptions {
    const { strides, padding, dilationRate, groups } = this
    return { strides, padding, dilationRate, groups }
  }

  protected convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | undefined,
    activation: FusedActivation,
    { residual, pool }: Pick<Epilogue, 'residual' | 'pool'> = {}
  ): Tensor {
    const options = { ...this.options, bias, activation }
    return pool ? convMaxPool(x, weight, options, pool) : ops.conv(x, weight, { ...options, residual })
  }

  override callMoments(x: Tensor, activation = this.ownActivation): [y: Tensor, mean: Tensor, variance: Tensor] {
    return convMoments(x, this.cast(this.weight), { ...this.options, bias: this.bias && this.cast(this.bias), activation })
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
