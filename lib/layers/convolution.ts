// What convolution layers share: sizes, weights, and the fused forms of their product.
import * as activations from '../activations'
import { booleanOption, choice, type NamesOf } from '../arguments'
import type * as constraints from '../constraints'
import { ArgumentError, ShapeError, showShape, within } from '../errors'
import type * as initializers from '../initializers'
import type { FusedActivation } from '../ops/fused'
import { perAxis, type Sizes } from '../ops/windows'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import type { BatchNormalization } from './batch-normalization'
import { type DataFormat, withChannelsLast } from './data-format'
import type { Epilogue, FusedPart } from './fusion'
import { type CallContext, type LayerOptions, layerOptions, type PartialShape } from './options'
import { SpatialLayer } from './spatial-layer'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

/** What all convolution layers have in common. */
export interface ConvolutionOptions extends LayerOptions {
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

export const convolutionOptions: NamesOf<ConvolutionOptions> = {
  ...layerOptions,
  kernelSize: 'required',
  strides: 'optional',
  dataFormat: 'optional',
  dilationRate: 'optional',
  activation: 'optional',
  useBias: 'optional',
  biasInitializer: 'optional',
  biasRegularizer: 'optional',
  biasConstraint: 'optional'
}

export interface KernelOptions {
  /** Default `'glorotUniform'`. */
  kernelInitializer?: initializers.InitializerSpec | undefined
  kernelRegularizer?: regularizers.RegularizerSpec | null | undefined
  kernelConstraint?: constraints.ConstraintSpec | null | undefined
}

export const kernelOptions: NamesOf<KernelOptions> = {
  kernelInitializer: 'optional',
  kernelRegularizer: 'optional',
  kernelConstraint: 'optional'
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
    options: ConvolutionOptions & { padding?: string | undefined },
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
    this.activation = within(this.kind, () => activations.get(options.activation))
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

  /** The product of images with their channels last, with bias and activation, and where it `fuses` with a residual or the maxima of windows. */
  protected abstract convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | undefined,
    activation: FusedActivation,
    epilogue?: Pick<Epilogue, 'residual' | 'pool'>
  ): Tensor

  override call(x: Tensor): Tensor {
    const fused = activations.fusedActivation(this.activation)
    const y = withChannelsLast(x, this.dataFormat, (images) => this.product(images, fused ?? 'none'))
    return fused ? y : this.activation.fn(y)
  }

  override fusedPart(): FusedPart | undefined {
    const activation = activations.fusedActivation(this.activation)
    if (activation === undefined || this.dataFormat !== 'channelsLast') return undefined
    return { kind: 'product', activation, conv: this.fuses }
  }

  /** Whether `convolve` takes an epilogue. */
  protected get fuses(): boolean {
    return false
  }

  override callFused(x: Tensor, _context: CallContext, { normalization, activation, ...epilogue }: Epilogue): Tensor {
    const [weight, bias] = normalization ? this.folded(normalization) : [this.weight, this.bias]
    return this.product(x, activation ?? this.ownActivation, weight, bias, epilogue)
  }

  /** Kernel and bias of a product whose result a normalisation has passed. */
  protected folded(normalization: BatchNormalization): [weight: Tensor, bias: Tensor] {
    return normalization.fold(this.weight, this.bias)
  }

  /** Where `fusedPart` offers a product. */
  protected get ownActivation(): FusedActivation {
    return activations.fusedActivation(this.activation)!
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
    epilogue?: Pick<Epilogue, 'residual' | 'pool'>
  ): Tensor {
    return this.convolve(x, this.cast(weight), bias && this.cast(bias), activation, epilogue)
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
