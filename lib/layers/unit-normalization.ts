// Normalisation to length 1.
import type { NamesOf } from '../arguments'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type AxisOption, axisOption } from './axes'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface UnitNormalizationOptions extends LayerOptions {
  /** The axis or axes that are normalised together. Default −1. */
  axis?: AxisOption | undefined
}

/** x / ‖x‖, with the L2 norm over `axis` (at least 1e-12): the shape stays. */
export class UnitNormalization extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<UnitNormalizationOptions> = { ...layerOptions, axis: 'optional' }
  readonly axis: AxisOption

  constructor(options: UnitNormalizationOptions = {}) {
    super(options)
    this.axis = axisOption(this.kind, options.axis ?? -1)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return ops.unitNorm(x, this.axis)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), axis: this.axis }
  }
}
