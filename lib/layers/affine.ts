// What normalisation layers share: the weights gamma and beta, and their options.
import { booleanOption, type NamesOf, numberOption } from '../arguments'
import type * as constraints from '../constraints'
import type * as initializers from '../initializers'
import type * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Variable } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'
import { type WeightSettings, weightConfig, weightOptions } from './weight-options'

export interface AffineLayerOptions extends LayerOptions {
  /** Added to the variance. Default 1e-3. */
  epsilon?: number | undefined
  /** Whether there is a summand beta. Default true. */
  center?: boolean | undefined
  /** Whether there is a factor gamma. Default true. */
  scale?: boolean | undefined
  /** Default `'zeros'`. */
  betaInitializer?: initializers.InitializerSpec | undefined
  /** Default `'ones'`. */
  gammaInitializer?: initializers.InitializerSpec | undefined
  betaRegularizer?: regularizers.RegularizerSpec | null | undefined
  gammaRegularizer?: regularizers.RegularizerSpec | null | undefined
  betaConstraint?: constraints.ConstraintSpec | null | undefined
  gammaConstraint?: constraints.ConstraintSpec | null | undefined
}

export const affineLayerOptions: NamesOf<AffineLayerOptions> = {
  ...layerOptions,
  epsilon: 'optional',
  center: 'optional',
  scale: 'optional',
  betaInitializer: 'optional',
  gammaInitializer: 'optional',
  betaRegularizer: 'optional',
  gammaRegularizer: 'optional',
  betaConstraint: 'optional',
  gammaConstraint: 'optional'
}

/** A layer that normalises, then multiplies by gamma and adds beta. Both stay float32 whatever it computes in. */
export abstract class AffineLayer extends Layer {
  readonly epsilon: number
  readonly center: boolean
  readonly scale: boolean
  gamma: Variable | undefined
  beta: Variable | undefined
  private readonly betaOptions: WeightSettings
  private readonly gammaOptions: WeightSettings

  constructor(options: AffineLayerOptions) {
    super(options)
    this.epsilon = numberOption(this.kind, 'epsilon', options.epsilon ?? 1e-3, { above: 0 })
    this.center = booleanOption(this.kind, 'center', options.center ?? true)
    this.scale = booleanOption(this.kind, 'scale', options.scale ?? true)
    this.betaOptions = weightOptions('beta', options, 'zeros')
    this.gammaOptions = weightOptions('gamma', options, 'ones')
  }

  override get takesIntegers(): boolean {
    return false
  }

  protected addAffine(shape: readonly number[]): void {
    if (this.scale) this.gamma = this.addWeight({ name: 'gamma', shape, ...this.gammaOptions })
    if (this.center) this.beta = this.addWeight({ name: 'beta', shape, ...this.betaOptions })
  }

  override getConfig(): Config {
    return {
      ...super.getConfig(),
      epsilon: this.epsilon,
      center: this.center,
      scale: this.scale,
      ...weightConfig('beta', this.betaOptions),
      ...weightConfig('gamma', this.gammaOptions)
    }
  }
}
