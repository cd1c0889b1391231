// The base class of models: layers that are trained, evaluated, used, looked at and saved as one.
import type { Logs } from '../callbacks/callback'
import type { History } from '../callbacks/history'
import { type Batches, type DataShapes, isBatches, type ModelValues, type RowShape, type Values } from '../data/values'
import { currentDevice, deviceName } from '../device'
import { ArgumentError, failure, NotCompiledError, show } from '../errors'
import { type SaveOptions, saveModel } from '../io/model-file'
import { type LoadWeightsOptions, loadWeights, saveWeights } from '../io/weights-file'
import { Layer, type LayerOptions, type PartialShape } from '../layers/layer'
import type { Optimizer } from '../optimizers'
import { Generator } from '../random'
import { refuseInCapture } from '../state'
import type { Tensor, Variable } from '../tensor'
import { type BatchOptions, testOnBatch, trainOnBatch } from './batch'
import { Compiled, type CompileOptions } from './compiled'
import { type EvaluateOptions, evaluate } from './evaluate'
import { type FitOptions, fit as train } from './fit'
import { type PredictOptions, Predictor } from './predict'
import { type SummaryOptions, summaryLines } from './summary'

/** A model. {@link Sequential} is one; a model is also a layer, so that it may be part of another. */
export abstract class Model extends Layer {
  /** One of the weights, once there are any: it tells the device without a walk over the layers. */
  private someWeight: Variable | undefined
  /** Set it to true, in a callback say, to end `fit` before its next steps. */
  stopTraining = false
  /** @internal Key and number of the orders in which `fit` takes the samples; saved with the model. */
  readonly shuffleState: { key: readonly [number, number]; drawn: number }
  private compiledState: Compiled | undefined
  private readonly predictor = new Predictor(this)
  private fitting = false

  constructor(options: Pick<LayerOptions, 'name' | 'trainable'> = {}) {
    super(options)
    const generator = new Generator()
    this.shuffleState = { key: generator.key, drawn: 0 }
  }

  /** The layers, in the order in which they were added. */
  abstract get layers(): readonly Layer[]
  /** Shapes of the inputs with the batch dimension; undefined while they are not known. */
  abstract get inputShapes(): readonly (PartialShape | undefined)[]
  /** Shapes of the outputs with the batch dimension; undefined while they are not known. */
  abstract get outputShapes(): readonly (PartialShape | undefined)[]
  /** Shape of what comes out of a layer of this model. */
  abstract outputShapeOf(layer: Layer): PartialShape | undefined

  /**
   * Chooses optimizer, loss and metrics for training.
   * @throws ArgumentError for an unknown name, with the nearest
   * @example
   * model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
   */
  compile(options: CompileOptions): void {
    this.refuseWhileFitting('compile')
    const compiled = new Compiled(this, options)
    this.compiledState?.dispose()
    this.compiledState = compiled
  }

  /** Whether `compile` has been called. */
  get isCompiled(): boolean {
    return this.compiledState !== undefined
  }

  /** The optimizer of `compile`. @throws NotCompiledError before it */
  get optimizer(): Optimizer {
    return this.compiled('optimizer').optimizer
  }

  /** @internal What `compile` made. @throws NotCompiledError before it */
  compiled(where: string): Compiled {
    if (this.compiledState !== undefined) return this.compiledState
    throw failure(NotCompiledError, where, `expected a compiled model: call ${this.name}.compile({ optimizer, loss }) first`)
  }

  /** Trains on batches: an (async) iterable, or a function that returns one and is called once an epoch. Otherwise as the other form. */
  fit(batches: Batches, options?: FitOptions): Promise<History>
  /**
   * Trains the model.
   *
   * Data that fit are kept on the device, and a whole step is one captured function; the event loop stays free. Data that do not fit,
   * and batches from an iterable, are uploaded while the device computes. Typed arrays are copied at the call (those of more than
   * a million elements in slices, soon after; larger ones than the device can hold are read during training). fit disposes of tensors that an
   * iterable yields, never of those passed in.
   *
   * @param x tensors, typed arrays (they take the model's input shape) or nested arrays, the samples along the first dimension; or batches
   * @param y targets, in the same forms
   * @returns the record of all epochs
   * @throws NotCompiledError; ArgumentError, ShapeError for data that do not fit; DOMException `AbortError` when `signal` says so
   * @example
   * const { history } = await model.fit(x, y, { epochs: 5, batchSize: 64, validationSplit: 0.1 })
   */
  fit(x: ModelValues, y: ModelValues, options?: FitOptions): Promise<History>
  async fit(x: ModelValues | Batches, y?: ModelValues | FitOptions, options?: FitOptions): Promise<History> {
    refuseInCapture('fit')
    const compiled = this.compiled('fit')
    this.refuseWhileFitting('fit')
    this.fitting = true
    try {
      if (isBatches(x)) return await train(this, compiled, x, undefined, (y as FitOptions) ?? {})
      return await train(this, compiled, x, y as ModelValues, options ?? {})
    } finally {
      this.fitting = false
    }
  }

  /**
   * Loss and metrics on data, in the forms that `fit` takes, as a record by key.
   * @throws as `fit`
   */
  evaluate(batches: Batches, options?: EvaluateOptions): Promise<Logs>
  evaluate(x: ModelValues, y: ModelValues, options?: EvaluateOptions): Promise<Logs>
  async evaluate(x: ModelValues | Batches, y?: ModelValues | EvaluateOptions, options?: EvaluateOptions): Promise<Logs> {
    refuseInCapture('evaluate')
    const compiled = this.compiled('evaluate')
    if (isBatches(x)) return evaluate(this, compiled, x, undefined, (y as EvaluateOptions) ?? {})
    return evaluate(this, compiled, x, y as ModelValues, options ?? {})
  }

  /**
   * The outputs for all samples, as one tensor that the caller owns.
   * @throws ArgumentError, ShapeError for data that do not fit; DOMException `AbortError` when `signal` says so
   * @example
   * const probabilities = await model.predict(images, { batchSize: 256 })
   */
  async predict(x: ModelValues | Batches, options: PredictOptions = {}): Promise<Tensor> {
    refuseInCapture('predict')
    return this.predictor.predict(x, options)
  }

  /**
   * The outputs for one batch, without waiting: a tensor that the caller owns.
   * @throws ArgumentError, ShapeError for data that do not fit
   */
  predictOnBatch(x: ModelValues): Tensor {
    refuseInCapture('predictOnBatch')
    return this.predictor.predictOnBatch(x)
  }

  /** One step of training on one batch; its loss and metrics. @throws as `fit` */
  async trainOnBatch(x: ModelValues, y: ModelValues, options: BatchOptions = {}): Promise<Logs> {
    refuseInCapture('trainOnBatch')
    this.refuseWhileFitting('trainOnBatch')
    return trainOnBatch(this, this.compiled('trainOnBatch'), x, y, options)
  }

  /** Loss and metrics of one batch. @throws as `fit` */
  async testOnBatch(x: ModelValues, y: ModelValues, options: { sampleWeight?: Values | undefined } = {}): Promise<Logs> {
    refuseInCapture('testOnBatch')
    return testOnBatch(this, this.compiled('testOnBatch'), x, y, options)
  }

  /** Prints the layers with the shapes of their outputs and their numbers of weights. */
  summary({ printFn = console.log }: SummaryOptions = {}): void {
    for (const line of summaryLines(this)) printFn(line)
  }

  /**
   * The layer of a name, or at an index (negative ones count from the end).
   * @throws ArgumentError if there is none
   */
  getLayer(which: string | number): Layer {
    const found = typeof which === 'number' ? this.layers.at(which) : this.layers.find(({ name }) => name === which)
    if (found !== undefined) return found
    throw failure(
      ArgumentError,
      'getLayer',
      `expected one of ${this.layers.map(({ name }) => show(name)).join(', ')} or an index, received ${show(which)}`
    )
  }

  /**
   * Saves architecture, weights, and what `compile` and training made, as one safetensors file. The old file stays whole until the
   * new one is complete.
   * @throws FileNotFoundError if there is no such folder; ArgumentError if something has no name to be found by again
   */
  save(file: string, options?: SaveOptions): Promise<void> {
    return saveModel(this, file, options)
  }

  /** Saves the weights alone, as a safetensors file. @throws FileNotFoundError if there is no such folder */
  saveWeights(file: string): Promise<void> {
    return saveWeights(this, file)
  }

  /**
   * Loads weights that `saveWeights` or `save` has saved, by their names.
   * @throws FormatError if they are not this model's (nothing is changed then), FileNotFoundError
   */
  loadWeights(file: string, options?: LoadWeightsOptions): Promise<void> {
    return loadWeights(this, file, options)
  }

  /** @internal Whether a larger value of the metric with this key is better. */
  metricDirection(key: string): 'up' | 'down' | undefined {
    return this.compiledState?.training.direction(key)
  }

  /** @internal Name of the device that the weights are on. */
  get device(): string {
    this.someWeight ??= this.weights[0]
    return this.someWeight?.device ?? deviceName(currentDevice())
  }

  /** @internal What data must look like for `where`. */
  dataShapes(where: string, withTargets = true): DataShapes {
    const model = this
    const rows = (shapes: readonly (PartialShape | undefined)[]): RowShape[] => shapes.map((shape) => shape?.slice(1))
    return {
      where,
      get device() {
        return model.device
      },
      get inputs() {
        return rows(model.inputShapes)
      },
      get outputs() {
        return withTargets ? rows(model.outputShapes) : undefined
      },
      onInputs: (shapes) => model.buildFor(shapes)
    }
  }

  /** @internal Builds the model, if it is not, for inputs of these shapes. */
  buildFor(shapes: readonly (readonly number[])[]): void {
    if (!this.built) this.build(shapes.length === 1 ? shapes[0]! : shapes)
  }

  /** Frees the weights and what `compile` made. */
  override dispose(): void {
    this.refuseWhileFitting('dispose')
    this.compiledState?.dispose()
    this.predictor.dispose()
    super.dispose()
  }

  private refuseWhileFitting(where: string): void {
    if (this.fitting) throw failure(ArgumentError, where, `expected ${this.name} not to be in training: wait for the end of fit`)
  }
}
