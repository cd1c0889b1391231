// Transposed convolution layers.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError } from '../errors'
import * as ops from '../ops'
import type { FusedActivation } from '../ops/fused'
import { perAxis, type Sizes } from '../ops/windows'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { Convolution, type ConvolutionOptions, convolutionOptions, type KernelOptions, kernelOptions } from './convolution'
import type { PartialShape } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface ConvTransposeOptions extends ConvolutionOptions, KernelOptions {
  /** Channels of the output. */
  filters: number
  /** Default `valid`. */
  padding?: 'valid' | 'same' | undefined
  /** Added to the output's size on each axis, less than the stride. Default: the size that `padding` gives. */
  outputPadding?: Sizes | null | undefined
}

abstract class ConvTranspose extends Convolution {
  /** @internal */
  static override readonly optionNames: NamesOf<ConvTransposeOptions> = {
    ...convolutionOptions,
    ...kernelOptions,
    filters: 'required',
    padding: 'optional',
    outputPadding: 'optional'
  }
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
