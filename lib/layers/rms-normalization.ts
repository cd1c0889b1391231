// Normalisation by the root mean square.

import { type NamesOf, numberOption } from '../arguments'
import { ShapeError } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor, Variable } from '../tensor'
import { type AxisOption, axisOption, misfitAlong, sizesAlong } from './axes'
import { Layer } from './layer'
import { type LayerOptions, layerOptions, type PartialShape } from './options'

export interface RmsNormalizationOptions extends LayerOptions {
  /** The axis or axes that are normalised together. Default −1. */
  axis?: AxisOption | undefined
  /** Added to the mean square. Default 1e-6. */
  epsilon?: number | undefined
}

/** x / √(mean(x²) + epsilon) · scale, with the mean over `axis`: the shape stays. Weight: scale, of the sizes of `axis`. Zhang and Sennrich, 2019. */
export class RmsNormalization extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<RmsNormalizationOptions> = { ...layerOptions, axis: 'optional', epsilon: 'optional' }
  /** As in Keras. */
  static readonly className = 'RMSNormalization'
  readonly axis: AxisOption
  readonly epsilon: number
  scale: Variable | undefined

  constructor(options: RmsNormalizationOptions = {}) {
    super(options)
    this.axis = axisOption(this.kind, options.axis ?? -1)
    this.epsilon = numberOption(this.kind, 'epsilon', options.epsilon ?? 1e-6, { above: 0 })
  }

  override get takesIntegers(): boolean {
    return false
  }

  override build(shape: PartialShape): void {
    this.scale = this.addWeight({ name: 'scale', shape: sizesAlong(this.kind, shape, this.axis), initializer: 'ones' })
  }

  protected override checkInput(shape: PartialShape): void {
    const weight = this.scale
    const wrong = weight && misfitAlong(this.kind, shape, this.axis, weight.shape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  override call(x: Tensor): Tensor {
    return ops.rmsNorm(x, this.axis, { gamma: this.scale, epsilon: this.epsilon })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis, epsilon: this.epsilon }
  }
}
