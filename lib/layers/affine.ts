// What normalisation layers share: the weights gamma and beta, and their options.
import { booleanOption, numberOption } from '../arguments'
import * as initializers from '../initializers'
import * as regularizers from '../regularizers'
import type { Config } from '../serialization'
import type { Variable } from '../tensor'
import { Layer, type LayerOptions } from './layer'

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
}

/** A layer that normalises, then multiplies by gamma and adds beta. Both stay float32 whatever it computes in. */
export abstract class AffineLayer extends Layer {
  readonly epsilon: number
  readonly center: boolean
  readonly scale: boolean
  gamma: Variable | undefined
  beta: Variable | undefined
  private readonly betaInitializer: initializers.Initializer
  private readonly gammaInitializer: initializers.Initializer
  private readonly betaRegularizer: regularizers.Regularizer | undefined
  private readonly gammaRegularizer: regularizers.Regularizer | undefined

  constructor(options: AffineLayerOptions) {
    super(options)
    this.epsilon = numberOption(this.kind, 'epsilon', options.epsilon ?? 1e-3, { above: 0 })
    this.center = booleanOption(this.kind, 'center', options.center ?? true)
    this.scale = booleanOption(this.kind, 'scale', options.scale ?? true)
    this.betaInitializer = initializers.get(options.betaInitializer ?? 'zeros')
    this.gammaInitializer = initializers.get(options.gammaInitializer ?? 'ones')
    this.betaRegularizer = regularizers.get(options.betaRegularizer)
    this.gammaRegularizer = regularizers.get(options.gammaRegularizer)
  }

  override get takesIntegers(): boolean {
    return false
  }

  protected addAffine(shape: readonly number[]): void {
    if (this.scale) {
      this.gamma = this.addWeight({ name: 'gamma', shape, initializer: this.gammaInitializer, regularizer: this.gammaRegularizer })
    }
    if (this.center) {
      this.beta = this.addWeight({ name: 'beta', shape, initializer: this.betaInitializer, regularizer: this.betaRegularizer })
    }
  }

  override getConfig(): Config {
    return {
      ...super.getConfig(),
      epsilon: this.epsilon,
      center: this.center,
      scale: this.scale,
      betaInitializer: initializers.serialize(this.betaInitializer),
      gammaInitializer: initializers.serialize(this.gammaInitializer),
      betaRegularizer: regularizers.serialize(this.betaRegularizer) ?? null,
      gammaRegularizer: regularizers.serialize(this.gammaRegularizer) ?? null
    }
  }
}
