// The rectifier whose slope below 0 is learned.
import { type NamesOf, numberOption } from '../arguments'
import type * as constraints from '../constraints'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import type * as initializers from '../initializers'
import * as ops from '../ops'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface PreluOptions extends LayerOptions {
  /** Default `'zeros'`. */
  alphaInitializer?: initializers.InitializerSpec | undefined
  alphaRegularizer?: regularizers.RegularizerSpec | null | undefined
  alphaConstraint?: constraints.ConstraintSpec | null | undefined
  /** Axes along which the slope is the same, the batch being axis 0. */
  sharedAxes?: readonly number[] | null | undefined
}

/** x where x > 0, else alpha · x. Weight: alpha, of the input's shape without the batch, 1 along shared axes. He et al., 2015. */
export class Prelu extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<PreluOptions> = {
    ...layerOptions,
    alphaInitializer: 'optional',
    alphaRegularizer: 'optional',
    alphaConstraint: 'optional',
    sharedAxes: 'optional'
  }
  /** As in Keras. */
  static readonly className = 'PReLU'
  readonly sharedAxes: readonly number[]
  alpha: Variable | undefined
  private readonly alphaOptions: WeightSettings

  constructor(options: PreluOptions = {}) {
    super(options)
    const { sharedAxes } = options
    if (sharedAxes != null && !Array.isArray(sharedAxes)) {
      throw failure(ArgumentError, 'prelu', `expected sharedAxes to be a list of axes, received ${show(sharedAxes)}`)
    }
    this.sharedAxes = (sharedAxes ?? []).map((axis: unknown) => numberOption('prelu', 'sharedAxes', axis, { integer: true, min: 1 }))
    this.alphaOptions = weightOptions('alpha', options, 'zeros')
  }

  override get takesIntegers(): boolean {
    return false
  }

  override build(shape: PartialShape): void {
    const sizes = shape.slice(1).map((size, i) => (this.sharedAxes.includes(i + 1) ? 1 : size))
    if (sizes.includes(null)) {
      throw this.failure(ShapeError, `expected sizes that are known along axes that are not shared, received ${showShape(shape)}`)
    }
    this.alpha = this.addWeight({ name: 'alpha', shape: sizes as number[], ...this.alphaOptions })
  }

  protected override checkInput(shape: PartialShape): void {
    const sizes = this.alpha!.shape
    const fits = shape.length === sizes.length + 1 && sizes.every((size, i) => size === 1 || size === (shape[i + 1] ?? size))
    if (!fits)
      throw this.failure(ShapeError, `expected an input of [null, ${sizes.join(', ')}] (1: of any size), received ${showShape(shape)}`)
  }

  override call(x: Tensor): Tensor {
    return ops.sub(ops.relu(x), ops.mul(ops.relu(ops.neg(x)), this.cast(this.alpha!)))
  }

  override getConfig(): Config {
    return {
      ...super.getConfig(),
      ...weightConfig('alpha', this.alphaOptions),
      sharedAxes: this.sharedAxes
    }
  }
}
