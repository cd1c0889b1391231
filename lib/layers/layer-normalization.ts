// Layer normalisation.

import type { NamesOf } from '../arguments'
import { ShapeError } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { AffineLayer, type AffineLayerOptions, affineLayerOptions } from './affine'
import { type AxisOption, axisOption, misfitAlong, sizesAlong } from './axes'
import type { PartialShape } from './options'

export interface LayerNormalizationOptions extends AffineLayerOptions {
  /** The axis or axes that are normalised together. Default −1. */
  axis?: AxisOption | undefined
}

/**
 * (x − mean) / √(variance + epsilon) · gamma + beta, with the statistics of each sample over `axis`: the shape stays. Weights: gamma and
 * beta, of the sizes of `axis`. Ba et al., 2016.
 */
export class LayerNormalization extends AffineLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<LayerNormalizationOptions> = { ...affineLayerOptions, axis: 'optional' }
  readonly axis: AxisOption

  constructor(options: LayerNormalizationOptions = {}) {
    super(options)
    this.axis = axisOption(this.kind, options.axis ?? -1)
  }

  override build(shape: PartialShape): void {
    this.addAffine(sizesAlong(this.kind, shape, this.axis))
  }

  protected override checkInput(shape: PartialShape): void {
    const weight = this.gamma ?? this.beta
    const wrong = weight && misfitAlong(this.kind, shape, this.axis, weight.shape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  override call(x: Tensor): Tensor {
    const { gamma, beta, epsilon } = this
    return ops.layerNorm(x, this.axis, { gamma, beta, epsilon })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis }
  }
}
