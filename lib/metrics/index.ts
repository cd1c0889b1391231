// metrics.*: what training reports, by name, factory, class or one's own function.
import { type CosineSimilarityOptions, Loss, type SmoothedCrossentropyOptions, type SparseCrossentropyOptions } from '../losses'
import { resultOf } from '../losses/shapes'
import { calledOnce, fixOptions, Registry, type Serialized, type SerializedFunction } from '../serialization'
import type { Tensor } from '../tensor'
import { Accuracy, BinaryAccuracy, type BinaryAccuracyOptions, CategoricalAccuracy, SparseCategoricalAccuracy } from './accuracy'
import {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  CategoricalHinge,
  CosineSimilarity,
  Hinge,
  KLDivergence,
  LogCoshError,
  LossMetric,
  MeanAbsoluteError,
  MeanAbsolutePercentageError,
  MeanSquaredError,
  MeanSquaredLogarithmicError,
  Poisson,
  RootMeanSquaredError,
  SparseCategoricalCrossentropy,
  SquaredHinge
} from './losses'
import { MeanMetric, Metric, type MetricOptions } from './metric'

export * from './accuracy'
export * from './losses'
export { type Direction, MeanMetric, Metric, type MetricOptions } from './metric'

/** A function of the user's own: a value per sample. */
export type MetricFunction = (yTrue: Tensor, yPred: Tensor) => Tensor

const classes = {
  binaryAccuracy: BinaryAccuracy,
  categoricalAccuracy: CategoricalAccuracy,
  sparseCategoricalAccuracy: SparseCategoricalAccuracy,
  meanSquaredError: MeanSquaredError,
  rootMeanSquaredError: RootMeanSquaredError,
  meanAbsoluteError: MeanAbsoluteError,
  meanAbsolutePercentageError: MeanAbsolutePercentageError,
  meanSquaredLogarithmicError: MeanSquaredLogarithmicError,
  logCoshError: LogCoshError,
  cosineSimilarity: CosineSimilarity,
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
  rmse: 'rootMeanSquaredError',
  mae: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError',
  msle: 'meanSquaredLogarithmicError',
  bce: 'binaryCrossentropy',
  kld: 'klDivergence',
  logCosh: 'logCoshError'
} as const
/** Names that mean one of three classes, chosen by the shapes of target and prediction. */
const byShape = {
  accuracy: [BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy],
  acc: [BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy],
  crossentropy: [BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy],
  ce: [BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy]
} as const

/** The names that a metric can be asked for by. */
export type MetricName = keyof typeof classes | keyof typeof aliases | keyof typeof byShape
/** What stands for a metric. */
export type MetricSpec = MetricName | Metric | Loss | MetricFunction | Serialized | SerializedFunction

/** What a name that depends on shapes is resolved by. */
export interface MetricShapes {
  /** Shape of the targets of a batch. */
  yTrue: readonly (number | null)[]
  /** Shape of the predictions. */
  yPred: readonly (number | null)[]
}

/** A metric made of a function. */
class FunctionMetric extends MeanMetric {
  constructor(readonly fn: MetricFunction) {
    super({ name: fn.name || 'metric' })
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return resultOf(this.name, 'metric', this.fn(yTrue, yPred))
  }
}

const registry = new Registry<Metric>(
  'metric',
  Metric,
  { accuracy: Accuracy, lossMetric: LossMetric, ...classes },
  { ...aliases, acc: 'accuracy' },
  FunctionMetric
)

/** Whether a metric can only be found when shapes are known. */
export function needsShapes(spec: MetricSpec): boolean {
  return typeof spec === 'string' && Object.hasOwn(byShape, spec)
}

/**
 * Gives the metric that `spec` stands for. A string is also the metric's name, its key in logs. `'accuracy'` and `'crossentropy'` are
 * binary if the last axis of the predictions has size 1, sparse if the targets lack the axis of the classes (or it has size 1 there),
 * else categorical.
 * @throws ArgumentError for an unknown name, with the nearest
 */
export function get(spec: MetricSpec, shapes?: MetricShapes): Metric {
  if (spec instanceof Loss) return fixOptions(new LossMetric({ loss: spec }))
  if (typeof spec !== 'string') return fixOptions(registry.get(calledOnce(registry, spec)))
  const Type = needsShapes(spec) && shapes ? resolve(spec as keyof typeof byShape, shapes) : registry.named(spec)
  return fixOptions(new Type({ name: spec }))
}

/** What a file holds for a metric; {@link get} makes it again. */
export const serialize = (metric: Metric): Serialized | SerializedFunction => registry.serialize(metric)

function resolve(name: keyof typeof byShape, { yTrue, yPred }: MetricShapes) {
  const [binary, sparse, categorical] = byShape[name]
  if (yPred.at(-1) === 1) return binary
  return yTrue.length < yPred.length || yTrue.at(-1) === 1 ? sparse : categorical
}

/** {@link Accuracy} */
export const accuracy = (options?: MetricOptions): Metric => new Accuracy(options)
/** {@link BinaryAccuracy} */
export const binaryAccuracy = (options?: BinaryAccuracyOptions): Metric => new BinaryAccuracy(options)
/** {@link CategoricalAccuracy} */
export const categoricalAccuracy = (options?: MetricOptions): Metric => new CategoricalAccuracy(options)
/** {@link SparseCategoricalAccuracy} */
export const sparseCategoricalAccuracy = (options?: MetricOptions): Metric => new SparseCategoricalAccuracy(options)
/** {@link MeanSquaredError} */
export const meanSquaredError = (options?: MetricOptions): Metric => new MeanSquaredError(options)
/** {@link RootMeanSquaredError} */
export const rootMeanSquaredError = (options?: MetricOptions): Metric => new RootMeanSquaredError(options)
/** {@link MeanAbsoluteError} */
export const meanAbsoluteError = (options?: MetricOptions): Metric => new MeanAbsoluteError(options)
/** {@link MeanAbsolutePercentageError} */
export const meanAbsolutePercentageError = (options?: MetricOptions): Metric => new MeanAbsolutePercentageError(options)
/** {@link MeanSquaredLogarithmicError} */
export const meanSquaredLogarithmicError = (options?: MetricOptions): Metric => new MeanSquaredLogarithmicError(options)
/** {@link LogCoshError} */
export const logCoshError = (options?: MetricOptions): Metric => new LogCoshError(options)
/** {@link CosineSimilarity} */
export const cosineSimilarity = (options?: Pick<CosineSimilarityOptions, 'name' | 'axis'>): Metric => new CosineSimilarity(options)
/** {@link BinaryCrossentropy} */
export const binaryCrossentropy = (options?: Omit<SmoothedCrossentropyOptions, 'reduction'>): Metric => new BinaryCrossentropy(options)
/** {@link CategoricalCrossentropy} */
export const categoricalCrossentropy = (options?: Omit<SmoothedCrossentropyOptions, 'reduction'>): Metric =>
  new CategoricalCrossentropy(options)
/** {@link SparseCategoricalCrossentropy} */
export const sparseCategoricalCrossentropy = (options?: Omit<SparseCrossentropyOptions, 'reduction'>): Metric =>
  new SparseCategoricalCrossentropy(options)
/** {@link KLDivergence} */
export const klDivergence = (options?: MetricOptions): Metric => new KLDivergence(options)
/** {@link Poisson} */
export const poisson = (options?: MetricOptions): Metric => new Poisson(options)
/** {@link Hinge} */
export const hinge = (options?: MetricOptions): Metric => new Hinge(options)
/** {@link SquaredHinge} */
export const squaredHinge = (options?: MetricOptions): Metric => new SquaredHinge(options)
/** {@link CategoricalHinge} */
export const categoricalHinge = (options?: MetricOptions): Metric => new CategoricalHinge(options)
