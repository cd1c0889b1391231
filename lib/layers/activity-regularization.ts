// A penalty on what passes.
import { L1L2 } from '../regularizers'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer, type LayerOptions } from './layer'

export interface ActivityRegularizationOptions extends Omit<LayerOptions, 'activityRegularizer'> {
  /** Factor of Σ|x|. Default 0. */
  l1?: number | undefined
  /** Factor of Σx². Default 0. */
  l2?: number | undefined
}

/** Gives its input, and adds (l1 · Σ|x| + l2 · Σx²) / batch size to the loss. */
export class ActivityRegularization extends Layer {
  readonly l1: number
  readonly l2: number

  constructor(options: ActivityRegularizationOptions = {}) {
    const penalty = new L1L2(options)
    super({ ...options, activityRegularizer: penalty })
    this.l1 = penalty.l1
    this.l2 = penalty.l2
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return x
  }

  override getConfig(): Config {
    const { activityRegularizer: _, ...config } = super.getConfig()
    return { ...config, l1: this.l1, l2: this.l2 }
  }
}
