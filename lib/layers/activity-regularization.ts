// A penalty on what passes.
import type { NamesOf } from '../arguments'
import { L1L2 } from '../regularizers'
import { type Config, classOptions } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface ActivityRegularizationOptions extends Omit<LayerOptions, 'activityRegularizer'> {
  /** Factor of Σ|x|. Default 0. */
  l1?: number | undefined
  /** Factor of Σx². Default 0. */
  l2?: number | undefined
}

// The layer makes that regularizer itself.
const { activityRegularizer: _, ...sharedOptions } = layerOptions
const ownOptions: NamesOf<ActivityRegularizationOptions> = { ...sharedOptions, l1: 'optional', l2: 'optional' }

/** Gives its input, and adds (l1 · Σ|x| + l2 · Σx²) / batch size to the loss. */
export class ActivityRegularization extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<ActivityRegularizationOptions & LayerOptions> = { ...layerOptions, ...ownOptions }
  readonly l1: number
  readonly l2: number

  constructor(options: ActivityRegularizationOptions = {}) {
    const { l1, l2 } = classOptions('activityRegularization', new.target, options, ownOptions)
    const penalty = new L1L2({ l1, l2 })
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
