// The base class of models: layers that are trained, evaluated, used, looked at and saved as one.
import { checkOptions } from '../arguments'
import type { Logs } from '../callbacks/callback'
import type { History } from '../callbacks/history'
import { type Batches, type DataShapes, isBatches, type ModelValues, type RowShape } from '../data/values'
import { currentDevice, deviceName } from '../device'
import { ArgumentError, failure, NotCompiledError, ShapeError, show, showShape, within } from '../errors'
import { checkPath } from '../io/file-errors'
import { type SaveOptions, saveModel } from '../io/model-file'
import { type LoadWeightsOptions, loadWeights, saveWeights } from '../io/weights-file'
import { type AnyLayer, Layer, type LayerInput, type Symbolic } from '../layers/layer'
import type { CallContext, LayerOptions, PartialShape, ShapeOrShapes } from '../layers/options'
import type { Optimizer } from '../optimizers'
import { isRecord } from '../plain'
import { Generator } from '../random'
import { outsideCapture, refuseInCapture } from '../state'
import { byKeys, leavesOf, packLike, type Structure } from '../structure'
import { type SymbolicTensor, Tensor, type Variable } from '../tensor'
import { type BatchOptions, testOnBatch, trainOnBatch } from './batch'
import { Compiled, type CompileOptions } from './compiled'
import { type EvaluateOptions, evaluate } from './evaluate'
import { type FitOptions, fit as train } from './fit'
import type { Graph } from './graph'
import { type PredictOptions, Predictor } from './predict'
import { type SummaryOptions, summaryLines, summaryOptions } from './summary'

/** A model of whatever outputs. */
export type AnyModel = Model<Structure<Tensor>>

/**
 * A model: what {@link sequential} and {@link model} make. A model is also a layer, so that it may be part of another. `Out` is what
 * `predict` gives: a tensor, or an array or record of tensors.
 */
export abstract class Model<Out extends Structure<Tensor> = Tensor> extends Layer<Out> {
  /** One of the weights, once there are any: it tells the device without a walk over the layers. */
  private someWeight: Variable | undefined
  /** Set it to true, in a callback say, to end `fit` before its next steps. */
  stopTraining = false
  /** @internal Key and number of the orders in which `fit` takes the samples; saved with the model. */
  readonly shuffleState: { key: readonly [number, number]; drawn: number }
  private drawn: Drawn | undefined
  private rows: InputRows | undefined
  private compiledState: Compiled | undefined
  private readonly predictor = new Predictor(this)
  private fitting = false

  constructor(options: Pick<LayerOptions, 'name' | 'trainable'> = {}) {
    super(options)
    const generator = new Generator()
    this.shuffleState = { key: generator.key, drawn: 0 }
  }

  /** The layers, in the order in which they were added or first used. */
  abstract get layers(): readonly AnyLayer[]

  /** @internal What leads from inputs to outputs, once that is known. */
  get graph(): Graph | undefined {
    return this.drawn?.graph
  }

  /** The symbolic inputs: what another model may begin with. @throws ArgumentError while the model does not know its input's shape */
  get inputs(): readonly SymbolicTensor[] {
    return this.structures.graph.inputs
  }

  /** The symbolic outputs. @throws ArgumentError while the model does not know its input's shape */
  get outputs(): readonly SymbolicTensor[] {
    return this.structures.graph.outputs
  }

  /** The symbolic input, or the array or record that was given as `inputs`. @throws as `inputs` */
  override get input(): Structure<SymbolicTensor> {
    return this.structures.inputs
  }

  /** The symbolic output, or the array or record that was given as `outputs`. @throws as `inputs` */
  override get output(): Symbolic<Out> {
    return this.structures.outputs as Symbolic<Out>
  }

  /** Shapes of the inputs with the batch dimension; undefined while they are not known. */
  get inputShapes(): readonly (PartialShape | undefined)[] {
    return this.graph?.inputs.map(({ shape }) => shape) ?? [undefined]
  }

  /** Shapes of the outputs with the batch dimension; undefined while they are not known. */
  get outputShapes(): readonly (PartialShape | undefined)[] {
    return this.graph?.outputs.map(({ shape }) => shape) ?? [undefined]
  }

  /** Names of the inputs in records of data: the keys of the record that was given as `inputs`, else the names of the input layers. */
  get inputNames(): readonly string[] {
    const { graph, inputs } = this.drawn ?? {}
    return namesOf(inputs, graph?.inputLayers.map(({ name }) => name) ?? ['input'])
  }

  /** Names of the outputs in records and logs: the keys of the record that was given as `outputs`, else the names of the layers. */
  get outputNames(): readonly string[] {
    const { graph, outputs } = this.drawn ?? {}
    return namesOf(outputs, graph?.outputs.map(({ name }) => name) ?? ['output'])
  }

  /** @internal Output `i` as what it is computed from, if it ends with an activation that a cross-entropy can do without. */
  logitsActivationOf(i: number): 'softmax' | 'sigmoid' | undefined {
    return this.graph?.logitsActivation(i)
  }

  override get sublayers(): readonly AnyLayer[] {
    return this.layers
  }

  protected override expectAlive(where: string = this.kind): void {
    super.expectAlive(where, 'model')
  }

  /** Shapes that inputs must have, with null for sizes that may vary. */
  protected abstract get declaredShapes(): readonly (PartialShape | undefined)[]

  /** What messages call the input of a model with one. */
  protected get onlyInput(): string {
    return 'the input'
  }

  /** Inputs have the sizes that were declared; batches may be of any size. */
  protected override checkInput(given: ShapeOrShapes): void {
    const names = this.inputNames
    this.declaredShapes.forEach((expected, i) => {
      const shape = shapeOf(given, i, names)
      if (!shape || !expected || fits(shape, expected)) return
      const which = names.length > 1 ? `the input ${show(names[i])}` : this.onlyInput
      const hint = fits([null, ...shape], expected) ? ': one sample is a batch of one' : ''
      throw this.failure(ShapeError, `expected ${which} to be ${showShape(expected)}, received ${showShape(shape)}${hint}`)
    })
  }

  /** None: a model's weights are those of its layers. */
  protected override get fieldVariables(): Variable[] {
    return []
  }

  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return this.graph?.outputs.length === 1 ? this.logitsActivationOf(0) : undefined
  }

  override call(x: LayerInput, context: CallContext): Out {
    const { graph, outputs } = this.structures
    return packLike(outputs, graph.run(this.inputList(x), context)) as Out
  }

  override callLogits(x: LayerInput, context: CallContext): Tensor {
    return this.structures.graph.run(this.inputList(x), context, [true])[0]!
  }

  /** @internal The outputs in their order, those that `logits` marks without the activation at their end. */
  forward(xs: readonly Tensor[], training: boolean, logits?: readonly boolean[]): Tensor[] {
    return this.use(xs.length === 1 ? xs[0]! : xs, (x) => this.structures.graph.run(leavesOf(x), { training }, logits))
  }

  /** @internal Outputs in their order as the structure that the user knows. */
  packOutputs(outputs: readonly Tensor[]): Out {
    return packLike(this.structures.outputs, outputs) as Out
  }

  /** What a subclass draws: the graph, and the structures in which its inputs and outputs were given. */
  protected setGraph(
    graph: Graph,
    inputs: Structure<SymbolicTensor> = graph.inputs[0]!,
    outputs: Structure<SymbolicTensor> = graph.outputs[0]!
  ): void {
    this.drawn = { graph, inputs, outputs }
  }

  private get structures(): Drawn {
    if (this.drawn) return this.drawn
    throw this.failure(ArgumentError, 'expected a model that knows the shape of its input: give its first layer an inputShape')
  }

  private inputList(x: LayerInput): readonly Tensor[] {
    const { inputNames } = this
    const list =
      x instanceof Tensor || Array.isArray(x) ? leavesOf(x) : byKeys(this.kind, 'inputs', x as Record<string, Tensor>, inputNames)
    if (list.length === inputNames.length) return list
    throw this.failure(ArgumentError, `expected ${inputNames.length} inputs (${inputNames.join(', ')}), received ${list.length}`)
  }

  /**
   * Chooses optimizer, loss and metrics for training.
   * @throws ArgumentError for an unknown name, with the nearest
   * @example
   * model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
   */
  compile(options: CompileOptions): void {
    this.expectAlive('compile')
    this.refuseWhileFitting('compile')
    const compiled = within('compile', () => new Compiled(this, options))
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
    this.expectAlive(where)
    if (this.compiledState !== undefined) return this.compiledState
    throw failure(NotCompiledError, where, `expected a compiled model: call ${this.name}.compile({ optimizer, loss }) first`)
  }

  /** Trains on batches: an (async) iterable, or a function that returns one and is called once an epoch. Otherwise as the other form. */
  fit(batches: Batches, options?: FitOptions): Promise<History>
  fit(batches: Batches, y: null | undefined, options?: FitOptions): Promise<History>
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
  fit(x: ModelValues | Batches, y?: ModelValues | FitOptions | null, options?: FitOptions): Promise<History> {
    return outsideCapture('fit', async () => {
      const compiled = this.compiled('fit')
      this.refuseWhileFitting('fit')
      this.fitting = true
      try {
        if (isBatches(x)) return await train(this, compiled, x, undefined, options ?? (y as FitOptions | null) ?? {})
        return await train(this, compiled, x, y as ModelValues, options ?? {})
      } finally {
        this.fitting = false
      }
    })
  }

  /**
   * Loss and metrics on data, in the forms that `fit` takes, as a record by key.
   * @throws as `fit`
   */
  evaluate(batches: Batches, options?: EvaluateOptions): Promise<Logs>
  evaluate(batches: Batches, y: null | undefined, options?: EvaluateOptions): Promise<Logs>
  evaluate(x: ModelValues, y: ModelValues, options?: EvaluateOptions): Promise<Logs>
  evaluate(x: ModelValues | Batches, y?: ModelValues | EvaluateOptions | null, options?: EvaluateOptions): Promise<Logs> {
    return outsideCapture('evaluate', async () => {
      const compiled = this.compiled('evaluate')
      if (isBatches(x)) return evaluate(this, compiled, x, undefined, options ?? (y as EvaluateOptions | null) ?? {})
      return evaluate(this, compiled, x, y as ModelValues, options ?? {})
    })
  }

  /**
   * The outputs for all samples: a tensor, or an array or record of them as the model's `outputs`. The caller owns them.
   * @throws ArgumentError, ShapeError for data that do not fit; DOMException `AbortError` when `signal` says so
   * @example
   * const probabilities = await model.predict(images, { batchSize: 256 })
   */
  predict(x: ModelValues | Batches, options: PredictOptions = {}): Promise<Out> {
    return outsideCapture('predict', async () => {
      this.expectAlive('predict')
      return this.packOutputs(await this.predictor.predict(x, options))
    })
  }

  /**
   * The outputs for one batch, without waiting, in the form that `predict` gives.
   * @throws ArgumentError, ShapeError for data that do not fit
   */
  predictOnBatch(x: ModelValues): Out {
    refuseInCapture('predictOnBatch')
    this.expectAlive('predictOnBatch')
    return this.packOutputs(this.predictor.predictOnBatch(x))
  }

  /** One step of training on one batch; its loss and metrics. @throws as `fit` */
  trainOnBatch(x: ModelValues, y: ModelValues, options: BatchOptions = {}): Promise<Logs> {
    return outsideCapture('trainOnBatch', async () => {
      this.refuseWhileFitting('trainOnBatch')
      return trainOnBatch(this, this.compiled('trainOnBatch'), x, y, options)
    })
  }

  /** Loss and metrics of one batch. @throws as `fit` */
  testOnBatch(x: ModelValues, y: ModelValues, options: { sampleWeight?: ModelValues | undefined } = {}): Promise<Logs> {
    return outsideCapture('testOnBatch', async () => testOnBatch(this, this.compiled('testOnBatch'), x, y, options))
  }

  /** Prints the layers with the shapes of their outputs and their numbers of weights. */
  summary(options: SummaryOptions = {}): void {
    const { printFn = console.log } = checkOptions('summary', options, summaryOptions)
    for (const line of summaryLines(this)) printFn(line)
  }

  /**
   * The layer of a name, or at an index (negative ones count from the end).
   * @throws ArgumentError if there is none
   */
  getLayer(which: string | number): Layer {
    const found = typeof which === 'number' ? this.layers.at(which) : this.layers.find(({ name }) => name === which)
    if (found !== undefined) return found as Layer
    throw failure(
      ArgumentError,
      'getLayer',
      `expected one of ${this.layers.map(({ name }) => show(name)).join(', ')} or an index, received ${show(which)}`
    )
  }

  /**
   * Saves architecture, weights, and what `compile` and training made, as one safetensors file. The old file stays whole until the
   * new one is complete.
   * @throws FileNotFoundError if there is no such folder; FileError if it cannot be written; ArgumentError if something has no name to be found by again
   */
  save(file: string, options?: SaveOptions): Promise<void> {
    return outsideCapture('save', async () => {
      this.expectAlive('save')
      checkPath('save', 'file', file)
      return saveModel(this, file, options)
    })
  }

  /** Saves the weights alone, as a safetensors file. @throws FileNotFoundError if there is no such folder; FileError */
  saveWeights(file: string): Promise<void> {
    return outsideCapture('saveWeights', async () => {
      this.expectAlive('saveWeights')
      checkPath('saveWeights', 'file', file)
      return saveWeights(this, file)
    })
  }

  /**
   * Loads weights that `saveWeights` or `save` has saved, by their names.
   * @throws FormatError if they are not this model's (nothing is changed then), FileNotFoundError, FileError
   */
  loadWeights(file: string, options?: LoadWeightsOptions): Promise<void> {
    return outsideCapture('loadWeights', async () => {
      this.expectAlive('loadWeights')
      checkPath('loadWeights', 'file', file)
      return loadWeights(this, file, options)
    })
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
    return new ModelDataShapes(this, where, withTargets ? this.compiled(where).targets : undefined)
  }

  /** @internal Shapes of a sample of each input, and their names: made once for each graph, since every prediction asks for them. */
  get inputRows(): InputRows {
    if (this.rows === undefined || this.rows.of !== this.drawn) {
      const shapes = this.inputShapes.map((shape): RowShape => shape?.slice(1))
      this.rows = { of: this.drawn, shapes, names: this.inputNames }
    }
    return this.rows
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

interface InputRows {
  readonly of: Drawn | undefined
  readonly shapes: readonly RowShape[]
  readonly names: readonly string[]
}

/** What data must look like for a model. What building the model changes is looked up each time. */
class ModelDataShapes implements DataShapes {
  constructor(
    private readonly model: Model<Structure<Tensor>>,
    readonly where: string,
    private readonly targets: readonly number[] | undefined
  ) {}

  get device(): string {
    return this.model.device
  }

  get inputs(): readonly RowShape[] {
    return this.model.inputRows.shapes
  }

  get inputNames(): readonly string[] {
    return this.model.inputRows.names
  }

  get outputs(): readonly RowShape[] | undefined {
    if (this.targets === undefined) return undefined
    const { outputShapes } = this.model
    return this.targets.map((i) => outputShapes[i]?.slice(1))
  }

  get outputNames(): readonly string[] {
    if (this.targets === undefined) return []
    const { outputNames } = this.model
    return this.targets.map((i) => outputNames[i]!)
  }

  onInputs(shapes: readonly (readonly number[])[]): void {
    this.model.buildFor(shapes)
  }
}

interface Drawn {
  graph: Graph
  inputs: Structure<SymbolicTensor>
  outputs: Structure<SymbolicTensor>
}

/** The keys of a record, else the names with a number where one comes again. */
function namesOf(structure: Structure<SymbolicTensor> | undefined, names: readonly string[]): readonly string[] {
  if (isRecord(structure)) return Object.keys(structure)
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length
    return before === 0 ? name : `${name}_${before}`
  })
}

/** The shape of input `i` among those of one, of several, or of a record by `names`; undefined if it is not there. */
function shapeOf(given: ShapeOrShapes, i: number, names: readonly string[]): PartialShape | undefined {
  if (!Array.isArray(given)) return (given as Readonly<Record<string, PartialShape>>)[names[i]!]
  const isList = given.length > 0 && given.every(Array.isArray)
  return isList ? (given[i] as PartialShape | undefined) : i === 0 ? (given as PartialShape) : undefined
}

/** Whether a shape is as declared behind the batch; null fits any size. */
function fits(shape: PartialShape, expected: PartialShape): boolean {
  return shape.length === expected.length && shape.every((size, axis) => axis === 0 || size === null || size === (expected[axis] ?? size))
}
