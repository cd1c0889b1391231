// losses.*: what training minimises, by name, factory, class or one's own function.
import { calledOnce, fixOptions, Registry, type Serialized, type SerializedFunction } from '../serialization'
import type { Tensor } from '../tensor'
import { CategoricalHinge, Hinge, SquaredHinge } from './hinge'
import { Loss, type LossOptions } from './loss'
import {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  KLDivergence,
  Poisson,
  type SmoothedCrossentropyOptions,
  SparseCategoricalCrossentropy,
  type SparseCrossentropyOptions
} from './probabilistic'
import {
  CosineSimilarity,
  type CosineSimilarityOptions,
  Huber,
  type HuberOptions,
  LogCosh,
  MeanAbsoluteError,
  MeanAbsolutePercentageError,
  MeanSquaredError,
  MeanSquaredLogarithmicError
} from './regression'
import { resultOf } from './shapes'

export { CategoricalHinge, Hinge, SquaredHinge } from './hinge'
export { Loss, type LossOptions, type Reduction } from './loss'
export * from './probabilistic'
export {
  CosineSimilarity,
  type CosineSimilarityOptions,
  Huber,
  type HuberOptions,
  LogCosh,
  MeanAbsoluteError,
  MeanAbsolutePercentageError,
  MeanSquaredError,
  MeanSquaredLogarithmicError
} from './regression'

/** A function of the user's own: values per sample, or a scalar. */
export type LossFunction = (yTrue: Tensor, yPred: Tensor) => Tensor

const classes = {
  meanSquaredError: MeanSquaredError,
  meanAbsoluteError: MeanAbsoluteError,
  meanAbsolutePercentageError: MeanAbsolutePercentageError,
  meanSquaredLogarithmicError: MeanSquaredLogarithmicError,
  cosineSimilarity: CosineSimilarity,
  huber: Huber,
  logCosh: LogCosh,
  binaryCrossentropy: BinaryCrossentropy,
  categoricalCrossentropy: CategoricalCrossentropy,
  sparseCategoricalCrossentropy: SparseCategoricalCrossentropy,
  klDivergence: KLDivergence,
  poisson: Poisson,
  hinge: Hinge,
  squaredHinge: SquaredHinge,
  categoricalHinge: CategoricalHinge
}
const aliases = {
  mse: 'meanSquaredError',
  mae: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError',
  msle: 'meanSquaredLogarithmicError',
  bce: 'binaryCrossentropy',
  kld: 'klDivergence'
} as const

/** The names that a loss can be asked for by. */
export type LossName = keyof typeof classes | keyof typeof aliases
/** What stands for a loss: its name, an object, a function, or what a file holds. */
export type LossSpec = LossName | Loss | LossFunction | Serialized | SerializedFunction

/** A loss made of a function. */
class FunctionLoss extends Loss {
  constructor(readonly fn: LossFunction) {
    super({ name: fn.name || 'loss' })
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return resultOf(this.name, 'loss', this.fn(yTrue, yPred))
  }
}

const registry = new Registry<Loss>('loss', Loss, classes, aliases, FunctionLoss)

/** Gives the loss that `spec` stands for. @throws ArgumentError for an unknown name, with the nearest */
export function get(spec: LossSpec): Loss {
  return fixOptions(registry.get(calledOnce(registry, spec)))
}
/** What a file holds for a loss; {@link get} makes it again. */
export const serialize = (loss: Loss): Serialized | SerializedFunction => registry.serialize(loss)

/** {@link MeanSquaredError}: (yPred − yTrue)². */
export const meanSquaredError = (options?: LossOptions): Loss => new MeanSquaredError(options)
/** {@link MeanAbsoluteError}: |yPred − yTrue|. */
export const meanAbsoluteError = (options?: LossOptions): Loss => new MeanAbsoluteError(options)
/** {@link MeanAbsolutePercentageError}: the error in percent of the target. */
export const meanAbsolutePercentageError = (options?: LossOptions): Loss => new MeanAbsolutePercentageError(options)
/** {@link MeanSquaredLogarithmicError}: the squared difference of logarithms. */
export const meanSquaredLogarithmicError = (options?: LossOptions): Loss => new MeanSquaredLogarithmicError(options)
/** {@link CosineSimilarity}: the negative cosine between vectors. */
export const cosineSimilarity = (options?: CosineSimilarityOptions): Loss => new CosineSimilarity(options)
/** {@link Huber}: squared for small errors, linear for large ones. */
export const huber = (options?: HuberOptions): Loss => new Huber(options)
/** {@link LogCosh}: log(cosh(yPred − yTrue)). */
export const logCosh = (options?: LossOptions): Loss => new LogCosh(options)
/** {@link BinaryCrossentropy}: for targets that are yes or no. */
export const binaryCrossentropy = (options?: SmoothedCrossentropyOptions): Loss => new BinaryCrossentropy(options)
/** {@link CategoricalCrossentropy}: for targets that are distributions over classes, one-hot say. */
export const categoricalCrossentropy = (options?: SmoothedCrossentropyOptions): Loss => new CategoricalCrossentropy(options)
/** {@link SparseCategoricalCrossentropy}: for targets that are class numbers. */
export const sparseCategoricalCrossentropy = (options?: SparseCrossentropyOptions): Loss => new SparseCategoricalCrossentropy(options)
/** {@link KLDivergence}: Σ y log(y / p). */
export const klDivergence = (options?: LossOptions): Loss => new KLDivergence(options)
/** {@link Poisson}: p − y log p. */
export const poisson = (options?: LossOptions): Loss => new Poisson(options)
/** {@link Hinge}: max(1 − y p, 0). */
export const hinge = (options?: LossOptions): Loss => new Hinge(options)
/** {@link SquaredHinge}: max(1 − y p, 0)². */
export const squaredHinge = (options?: LossOptions): Loss => new SquaredHinge(options)
/** {@link CategoricalHinge}: the margin between the right class and the best wrong one. */
export const categoricalHinge = (options?: LossOptions): Loss => new CategoricalHinge(options)
