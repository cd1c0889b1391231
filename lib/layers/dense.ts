// The fully connected layer.

import * as activations from '../activations'
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import type * as constraints from '../constraints'
import { ShapeError, showShape, within } from '../errors'
import type * as initializers from '../initializers'
import * as ops from '../ops'
import type { FusedActivation } from '../ops/fused'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import type { Epilogue, FusedPart } from './fusion'
import { Layer } from './layer'
import { type CallContext, type LayerOptions, layerOptions, type PartialShape } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface DenseOptions extends LayerOptions {
  /** Size of the output's last axis. */
  units: number
  /** Default `'linear'`. */
  activation?: activations.ActivationSpec | null | undefined
  /** Default true. */
  useBias?: boolean | undefined
  /** Default `'glorotUniform'`. */
  kernelInitializer?: initializers.InitializerSpec | undefined
  /** Default `'zeros'`. */
  biasInitializer?: initializers.InitializerSpec | undefined
  kernelRegularizer?: regularizers.RegularizerSpec | null | undefined
  biasRegularizer?: regularizers.RegularizerSpec | null | undefined
  kernelConstraint?: constraints.ConstraintSpec | null | undefined
  biasConstraint?: constraints.ConstraintSpec | null | undefined
}

/**
 * activation(x · kernel + bias) on the last axis: (B, …, C) → (B, …, units). Weights: kernel (C, units), bias (units).
 * Bias and the activations relu, sigmoid and tanh are part of the matrix product's kernel.
 */
export class Dense extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<DenseOptions> = {
    ...layerOptions,
    units: 'required',
    activation: 'optional',
    useBias: 'optional',
    kernelInitializer: 'optional',
    biasInitializer: 'optional',
    kernelRegularizer: 'optional',
    biasRegularizer: 'optional',
    kernelConstraint: 'optional',
    biasConstraint: 'optional'
  }
  readonly units: number
  readonly useBias: boolean
  /** (C, units) */
  kernel: Variable | undefined
  /** (units) */
  bias: Variable | undefined
  private readonly activation: activations.Activation
  private readonly kernelOptions: WeightSettings
  private readonly biasOptions: WeightSettings

  constructor(options: DenseOptions) {
    super(options)
    this.units = numberOption('dense', 'units', options.units, { integer: true, min: 1 })
    this.useBias = booleanOption('dense', 'useBias', options.useBias ?? true)
    this.activation = within(this.kind, () => activations.get(options.activation))
    this.kernelOptions = weightOptions('kernel', options, 'glorotUniform')
    this.biasOptions = weightOptions('bias', options, 'zeros')
  }

  override get takesIntegers(): boolean {
    return false
  }

  override build(shape: PartialShape): void {
    const channels = shape.at(-1)
    if (channels === undefined || channels === null || shape.length < 2) {
      throw this.failure(ShapeError, `expected an input of rank 2 or more whose last axis is known, received ${showShape(shape)}`)
    }
    const { units } = this
    this.kernel = this.addWeight({ name: 'kernel', shape: [channels, units], ...this.kernelOptions })
    if (this.useBias) this.bias = this.addWeight({ name: 'bias', shape: [units], ...this.biasOptions })
  }

  protected override checkInput(shape: PartialShape): void {
    const [channels] = this.kernel!.shape
    if (shape.length < 2 || shape.at(-1) !== channels) {
      throw this.failure(ShapeError, `expected the last axis to be ${channels}, received ${showShape(shape)}`)
    }
  }

  override call(x: Tensor): Tensor {
    const inKernel = activations.fusedActivation(this.activation)
    return inKernel ? this.product(x, inKernel) : this.activation.fn(this.product(x, 'none'))
  }

  override fusedPart(): FusedPart | undefined {
    const activation = activations.fusedActivation(this.activation)
    return activation === 'none' ? { kind: 'product', activation, conv: false } : undefined
  }

  override callFused(x: Tensor, _context: CallContext, { normalization, activation = 'none' }: Epilogue): Tensor {
    const weights = normalization?.fold(this.kernel!, this.bias)
    return weights ? this.product(x, activation, ...weights) : this.product(x, activation)
  }

  override canFold(x: Tensor): boolean {
    return x.size > x.shape.at(-1)! ** 2
  }

  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    const { name } = this.activation
    return name === 'softmax' || name === 'sigmoid' ? name : undefined
  }

  override callLogits(x: Tensor): Tensor {
    return this.product(x, 'none')
  }

  private product(x: Tensor, activation: FusedActivation, weight: Tensor = this.kernel!, bias: Tensor | undefined = this.bias): Tensor {
    const kernel = this.cast(weight)
    const options = { bias: bias && this.cast(bias), activation }
    if (x.rank === 2) return ops.matmul(x, kernel, options)
    // All rows in one product, so that the kernel's gradient is one product too.
    const leading = x.shape.slice(0, -1)
    const rows = leading.reduce((size, n) => size * n, 1)
    return ops.reshape(ops.matmul(ops.reshape(x, [rows, x.shape.at(-1)!]), kernel, options), [...leading, this.units])
  }

  override getConfig(): Config {
    return {
      ...super.getConfig(),
      units: this.units,
      activation: activations.serialize(this.activation),
      useBias: this.useBias,
      ...weightConfig('kernel', this.kernelOptions),
      ...weightConfig('bias', this.biasOptions)
    }
  }
}
