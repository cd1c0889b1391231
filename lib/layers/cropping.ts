// Cropping layers: images without their borders.
import type { NamesOf } from '../arguments'
import { ShapeError, showShape } from '../errors'
import * as ops from '../ops'
import type { Tensor } from '../tensor'
import type { DataFormat } from './data-format'
import { type LayerOptions, layerOptions, type PartialShape } from './options'
import { BorderLayer, type Borders } from './padding'

export interface CroppingOptions extends LayerOptions {
  /** How many elements go. Default 1 everywhere with one and three spatial axes, 0 with two, as in Keras. */
  cropping?: Borders | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class Cropping extends BorderLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<CroppingOptions> = { ...layerOptions, cropping: 'optional', dataFormat: 'optional' }
  constructor(options: CroppingOptions, axes: number) {
    super(options, 'cropping', options.cropping ?? (axes === 2 ? 0 : 1), axes)
  }

  protected override checkInput(shape: PartialShape): void {
    super.checkInput(shape)
    this.allPairs.forEach(([before, after], axis) => {
      const size = shape[axis]
      if (size == null || size > before + after || before + after === 0) return
      throw this.failure(ShapeError, `expected more than ${before + after} elements on axis ${axis}, received ${showShape(shape)}`)
    })
  }

  override call(x: Tensor): Tensor {
    return ops.crop(x, this.allPairs)
  }
}
/** Without elements at both ends: (B, W, C) → (B, W − before − after, C). */
export class Cropping1d extends Cropping {
  /** As in Keras. */
  static readonly className = 'Cropping1D'
  constructor(options: CroppingOptions = {}) {
    super(options, 1)
  }
}
/** Images without their borders: (B, H, W, C) → (B, H − top − bottom, W − left − right, C). */
export class Cropping2d extends Cropping {
  /** As in Keras. */
  static readonly className = 'Cropping2D'
  constructor(options: CroppingOptions = {}) {
    super(options, 2)
  }
}
/** Volumes without their borders: (B, D, H, W, C) → (B, smaller D, H, W, C). */
export class Cropping3d extends Cropping {
  /** As in Keras. */
  static readonly className = 'Cropping3D'
  constructor(options: CroppingOptions = {}) {
    super(options, 3)
  }
}
