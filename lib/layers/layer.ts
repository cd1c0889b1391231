// The base class of all layers: names, weights, building on first use, precision, penalties and the config that makes a layer again.
import { booleanOption, checkOptions, choice, fixProperties, type OptionNames } from '../arguments'
import { currentPolicy, type Policy, raiseConfiguration } from '../config'
import * as constraints from '../constraints'
import { inDType } from '../dtype'
import { ArgumentError, DisposedError, failure, ShapeError, show, showShape, withLayer } from '../errors'
import * as initializers from '../initializers'
import { spendWeight } from '../io/weight-budget'
import { dtypeBytes } from '../native'
import { expectTensor } from '../op'
import * as ops from '../ops'
import type { FusedActivation } from '../ops/fused'
import { Generator } from '../random'
import * as regularizers from '../regularizers'
import { scope } from '../scope'
import { type Config, classNameOf, classOptions, fixOptions, isLibraryClass, kindOf } from '../serialization'
import { checkDType, publicShape, sameShape } from '../shape'
import { abstractly, runAbstractly, runConcretely } from '../state'
import { leavesOf, mapLeaves, type Structure } from '../structure'
import { abstractTensor, assignAll, SymbolicTensor, Tensor, Variable, variable } from '../tensor'
import type { Epilogue, FusedPart } from './fusion'
import { defaultName, firstFreeName } from './names'
import {
  type CallContext,
  checkInputShape,
  contextOptions,
  type LayerOptions,
  layerOptions,
  type PartialShape,
  type ShapeOrShapes,
  type WeightOptions
} from './options'
import { asOneQuestion, partsOf } from './parts'
import { isSymbolic, type LayerNode, makeNode } from './symbolic'

/** One tensor, or an array or record of them for a layer with several inputs. */
export type LayerInput = Structure<Tensor>

/** What stands for the outputs of a layer while a model is drawn. */
export type Symbolic<Out> = Out extends Tensor ? SymbolicTensor : { [K in keyof Out]: SymbolicTensor }

/** A layer of whatever outputs. */
export type AnyLayer = Layer<Structure<Tensor>>

/** How deep in calls of layers we are. */
let depth = 0
/** Whether any layer holds losses from `addLoss`, so that others need not look. */
let lossesAdded = false

/**
 * A layer: weights, made on first use, and a function of a tensor (`call`). One's own layer extends this class.
 *
 * Layers and variables in its fields, also in arrays, plain records, Maps and Sets, belong to it: their weights are its weights. Those in
 * fields that JavaScript hides (`#private`) are not found: make such weights by `addWeight`.
 *
 * Under the policy `mixed_bfloat16` floats arrive in `call` as bfloat16 while weights stay float32: use them as `this.cast(w)`.
 *
 * @example
 * class Scale extends Layer {
 *   gain!: Variable
 *   override build(shape: PartialShape) { this.gain = this.addWeight({ name: 'gain', shape: [shape.at(-1)!], initializer: 'ones' }) }
 *   override call(x: Tensor) { return x.mul(this.gain) }
 * }
 */
export abstract class Layer<Out extends Structure<Tensor> = Tensor> {
  /** @internal Names of the options. */
  static readonly optionNames: OptionNames = layerOptions
  /** The name given, or one from the class's name. */
  name: string
  /** Whether the weights are there. */
  built = false
  /** What the layer computes in. */
  readonly policy: Policy
  /** Shape of the input with the batch dimension, if the options told it. */
  readonly batchInputShape: PartialShape | undefined
  private namedByDefault: boolean
  private isTrainable: boolean
  private disposed = false
  private readonly activityRegularizer: regularizers.Regularizer | undefined
  private readonly ownWeights: { variable: Variable; regularizer: regularizers.Regularizer | undefined }[] = []
  private readonly ownGenerators: Generator[] = []
  private added: Tensor[] = []
  /** The first use on symbolic tensors, and how many there were. */
  private node: LayerNode | undefined
  private uses = 0
  /** Names of the fields above, which `parts` does not look into. */
  private readonly baseFields: ReadonlySet<string>

  /** @throws ArgumentError for options out of their range */
  constructor(options: LayerOptions = {}) {
    const kind = this.kind
    classOptions(kind, new.target, options, new.target.optionNames)
    if (typeof this.call !== 'function')
      throw failure(ArgumentError, kind, `expected a class that defines call, received ${this.constructor.name}`)
    const { name, trainable = true, dtype = currentPolicy(), inputShape, batchInputShape } = options
    if (name !== undefined && (typeof name !== 'string' || name === '')) {
      throw failure(ArgumentError, kind, `expected name to be a string that is not empty, received ${show(name)}`)
    }
    this.namedByDefault = name === undefined
    this.name = name ?? defaultName(classNameOf(this))
    this.isTrainable = booleanOption(kind, 'trainable', trainable)
    this.policy = choice(kind, 'dtype', dtype, ['float32', 'mixed_bfloat16'])
    if (inputShape) checkInputShape(kind, 'inputShape', inputShape)
    if (batchInputShape) checkInputShape(kind, 'batchInputShape', batchInputShape)
    this.batchInputShape = batchInputShape ?? (inputShape && [null, ...inputShape])
    this.activityRegularizer = regularizers.get(options.activityRegularizer)
    this.guardBuild()
    this.baseFields = new Set(Object.keys(this))
  }

  /** Makes the weights for inputs of this shape (a list of shapes for several inputs). Called once, before the first `call`. */
  build(_shape: ShapeOrShapes): void {}

  /** What the layer computes. Also run on tensors without values to find the shape of the output, with NaN for sizes not yet known. */
  abstract call(x: LayerInput, context: CallContext): Out

  /**
   * The activation at the layer's end, if it is one that cross-entropies can do without: then `callLogits` gives what enters it.
   * A model whose loss is a cross-entropy is trained from there.
   */
  get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return undefined
  }

  /** As `call`, without the activation `logitsActivation` at the end. */
  callLogits?(x: LayerInput, context: CallContext): Tensor

  /** @internal The part that `call` can take in an op of several layers, for an output of this rank; undefined: none. */
  fusedPart(_rank: number): FusedPart | undefined {
    return undefined
  }

  /** @internal As `call`, with what follows in the same op. Layers whose part is a product or a normalisation have it. */
  callFused?(x: LayerInput, context: CallContext, epilogue: Epilogue): Tensor

  /**
   * @internal As `call`, or with another activation, with mean and population variance of the result's channels, float32: of products that take them
   * in passing.
   */
  callMoments?(x: LayerInput, activation?: FusedActivation): [y: Tensor, mean: Tensor, variance: Tensor]

  /** @internal Whether a product of `x` is more work to scale and shift than the layer's weights. */
  canFold(_x: Tensor): boolean {
    return false
  }

  /** Whether `call` takes integers as they are; if not, they are cast to the dtype that the layer computes in. */
  get takesIntegers(): boolean {
    return true
  }

  /** The dtype in which `call` gets floats. */
  get computeDType(): 'float32' | 'bfloat16' {
    return this.policy === 'mixed_bfloat16' ? 'bfloat16' : 'float32'
  }

  /** The name that messages and default names start with: the class's name in camelCase. */
  get kind(): string {
    return kindOf(this.constructor)
  }

  /**
   * Applies the layer: to symbolic tensors while a model is drawn, to tensors to compute. Builds it on first use.
   * @throws ShapeError if the input is not what the layer was built for; ArgumentError for something else than tensors; DisposedError
   */
  apply(x: Structure<SymbolicTensor>, options?: Partial<CallContext>): Symbolic<Out>
  apply(x: LayerInput, options?: Partial<CallContext>): Out
  apply(x: Structure<Tensor> | Structure<SymbolicTensor>, options?: Partial<CallContext>): Out | Symbolic<Out> {
    const context = this.contextOf(options)
    if (isSymbolic(x)) return this.applySymbolic(x) as Symbolic<Out>
    return this.use(x, (input) => this.call(input, context))
  }

  /** As `apply`, without the activation `logitsActivation` at the end. */
  applyLogits(x: LayerInput, options?: Partial<CallContext>): Tensor {
    const context = this.contextOf(options)
    return this.use(x, (input) => this.callLogits!(input, context))
  }

  private contextOf(options: Partial<CallContext> = {}): CallContext {
    const { training = false } = checkOptions(this.kind, options, contextOptions)
    return { training: booleanOption(this.kind, 'training', training) }
  }

  /** @internal As `apply`, with what follows in the same op. */
  applyFused(x: LayerInput, context: CallContext, epilogue: Epilogue): Tensor {
    return this.use(x, (input) => this.callFused!(input, context, epilogue))
  }

  /** @internal As `apply`, with the moments of the result. */
  applyMoments(x: LayerInput, activation: FusedActivation | undefined): [y: Tensor, mean: Tensor, variance: Tensor] {
    return this.use(x, (input) => this.callMoments!(input, activation))
  }

  /** @internal Refuses what `apply` refuses, where the layer's work is part of another's op. */
  admit(shapes: ShapeOrShapes): void {
    this.expectAlive()
    this.prepare(shapes)
  }

  /** @internal Whether there is a penalty on the output. */
  get hasActivityRegularizer(): boolean {
    return this.activityRegularizer !== undefined
  }

  /** @internal How often it was applied to symbolic tensors. */
  get useCount(): number {
    return this.uses
  }

  /** What the layer was applied to while a model was drawn. @throws ArgumentError unless that happened just once */
  get input(): Structure<SymbolicTensor> {
    return this.onlyNode('input').inputs
  }

  /**
   * What the layer gave while a model was drawn: an output for another model.
   * @throws ArgumentError unless that happened just once
   * @example
   * const features = model({ inputs: net.inputs, outputs: net.getLayer('code').output })
   */
  get output(): Symbolic<Out> {
    return this.onlyNode('output').outputs as Symbolic<Out>
  }

  /** Makes a weight. Called in `build`. @throws ArgumentError, ShapeError, DTypeError for what cannot be, or an initializer that gives something else */
  protected addWeight({ name, shape, initializer, dtype = 'float32', trainable = true, regularizer, constraint }: WeightOptions): Variable {
    if (!Array.isArray(shape)) throw this.failure(ArgumentError, `expected a shape for the weight ${name}, received ${show(shape)}`)
    if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
      throw this.failure(ShapeError, `expected sizes that are known for the weight ${name}, received ${showShape(shape)}`)
    }
    spendWeight(name, shape, dtypeBytes[checkDType('addWeight', dtype)])
    const initial = initializers.get(initializer ?? (shape.length >= 2 ? 'glorotUniform' : 'zeros')).initialize(shape, dtype)
    if (!(initial instanceof Tensor && sameShape(initial.shape, shape) && initial.dtype === dtype)) {
      const received = initial instanceof Tensor ? `${initial.dtype} ${showShape(initial.shape)}` : show(initial)
      throw this.failure(ShapeError, `expected the initializer of ${name} to give ${dtype} ${showShape(shape)}, received ${received}`)
    }
    const weight = variable(initial, { name, trainable, constraint: constraints.get(constraint) })
    this.ownWeights.push({ variable: weight, regularizer: regularizers.get(regularizer) })
    return weight
  }

  /** Makes a source of random numbers, whose state is saved with the layer. Called in the constructor. */
  protected addGenerator(seed?: number): Generator {
    const generator = new Generator({ seed })
    this.ownGenerators.push(generator)
    return generator
  }

  /** Adds a scalar to the loss that training minimises. Called in `call`; it counts until the next call of the model. */
  protected addLoss(loss: Tensor): void {
    if (!(loss instanceof Tensor)) throw this.failure(ArgumentError, `expected addLoss to get a scalar tensor, received ${show(loss)}`)
    if (loss.size !== 1) throw this.failure(ShapeError, `expected addLoss to get a scalar, received ${showShape(loss.shape)}`)
    if (abstractly) return
    this.added.push(loss)
    lossesAdded = true
  }

  /** A weight in the dtype that the layer computes in. */
  protected cast(w: Tensor): Tensor {
    return inDType(w, this.computeDType)
  }

  /** Checks the shape of an input against what the layer was built for. */
  protected checkInput(_shape: ShapeOrShapes): void {}

  /** An error that names the class and the layer: `[dense "head"] …`. */
  protected failure(Type: typeof ShapeError | typeof ArgumentError, message: string): Error {
    return new Type(`[${this.kind} "${this.name}"] ${message}`, { layer: this.name })
  }

  /** The layers in fields of this one, also in arrays, plain records, Maps and Sets, in their order. */
  get sublayers(): readonly AnyLayer[] {
    return [...this.parts()].filter((part) => part instanceof Layer)
  }

  /** The layers and variables in fields. */
  private parts(): ReadonlySet<AnyLayer | Variable> {
    return partsOf(this, this.baseFields, isPart)
  }

  /** @internal This layer and all in it, each once however often it is shared; `enter` says whose inner layers count. */
  tree(enter: (layer: AnyLayer) => boolean = () => true, seen: Set<AnyLayer> = new Set()): AnyLayer[] {
    if (seen.has(this) || !enter(this)) return []
    seen.add(this)
    return [this, ...this.sublayers.flatMap((layer) => layer.tree(enter, seen))]
  }

  /** Whether an optimizer may change the weights. Setting it also sets it for the layers in this one. */
  get trainable(): boolean {
    return this.isTrainable
  }

  set trainable(value: boolean) {
    this.isTrainable = booleanOption(this.kind, 'trainable', value)
    for (const layer of this.sublayers) layer.trainable = value
    raiseConfiguration()
  }

  /** All weights: the trained ones, then the others, then those of the layers in this one. The live variables, not copies. */
  get weights(): Variable[] {
    return asOneQuestion(() => [...new Set(this.tree().flatMap(({ ownVariables }) => ownVariables))])
  }

  /** The layer's part of `weights`, before those of the layers in it. */
  protected get ownVariables(): Variable[] {
    const own = this.variables
    return [...own.filter((w) => w.trainable), ...own.filter((w) => !w.trainable)]
  }

  /** What `addWeight` has made, then the other variables in fields. */
  private get variables(): Variable[] {
    const made = this.ownWeights.map(({ variable }) => variable)
    const others = this.fieldVariables.filter((v) => !made.includes(v))
    if (others.length === 0) return made
    const inner = new Set(this.sublayers.flatMap(({ weights }) => weights))
    return [...made, ...others.filter((v) => !inner.has(v))]
  }

  /** The variables in fields of this layer. */
  protected get fieldVariables(): Variable[] {
    return [...this.parts()].filter((part) => part instanceof Variable)
  }

  /** The weights that training changes now. */
  get trainableVariables(): Variable[] {
    return asOneQuestion(() => [...new Set(this.tree(isTrainable).flatMap(({ variables }) => variables.filter((w) => w.trainable)))])
  }

  /** The weights that training does not change now. */
  get nonTrainableVariables(): Variable[] {
    return asOneQuestion(() => {
      const trained = new Set(this.trainableVariables)
      return this.weights.filter((w) => !trained.has(w))
    })
  }

  /** The layer's sources of random numbers, and those of the layers in it. */
  get generators(): Generator[] {
    return this.tree().flatMap((layer) => layer.ownGenerators)
  }

  /** What belongs to the loss: penalties on trainable weights, computed now, and what `addLoss` got in the last call. */
  get losses(): Tensor[] {
    return [...this.penalties(), ...this.addedLosses()]
  }

  /** Number of elements of all weights. */
  countParams(): number {
    return this.weights.reduce((sum, w) => sum + w.size, 0)
  }

  /** Copies of the weights, which the caller owns. */
  getWeights(): Tensor[] {
    return this.weights.map((w) => ops.copy(w))
  }

  /**
   * Replaces the weights' values, in the order of `weights`; all or none.
   * @throws ArgumentError for another number of values, ShapeError, DTypeError for other shapes or dtypes
   */
  setWeights(values: readonly Parameters<Variable['assign']>[0][]): void {
    const { weights } = this
    const count = Array.isArray(values) ? values.length : show(values)
    if (count !== weights.length) throw this.failure(ArgumentError, `expected values for ${weights.length} weights, received ${count}`)
    assignAll(weights, values)
  }

  /** The options that make this layer again: `new Class(layer.getConfig())`. A subclass adds its own. */
  getConfig(): Config {
    const { name, isTrainable, policy, batchInputShape, activityRegularizer } = this
    return {
      name,
      trainable: isTrainable,
      dtype: policy,
      ...(batchInputShape && { batchInputShape }),
      ...(activityRegularizer && { activityRegularizer: regularizers.serialize(activityRegularizer) })
    }
  }

  /** Frees the weights. */
  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    for (const variable of this.variables) variable.dispose()
    for (const generator of this.ownGenerators) generator.dispose()
    for (const loss of this.added) loss.dispose()
    for (const layer of this.sublayers) layer.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** @internal Whether its name is only the number that it was made with. */
  get isNamedByDefault(): boolean {
    return this.namedByDefault
  }

  /** @internal Gives a layer that was named by default the first of `dense`, `dense_1`, … that is not taken; a model does so once. */
  nameWithin(taken: ReadonlySet<string>): void {
    if (!this.namedByDefault) return
    this.namedByDefault = false
    this.name = firstFreeName(classNameOf(this), taken)
  }

  /** Wraps `build`, so that it runs once or leaves nothing, computes (also where a model is only drawn) and frees its temporaries. */
  private guardBuild(): void {
    const build = this.build
    const guarded = (shape: ShapeOrShapes): void => {
      if (this.built) return
      const before = this.ownWeights.length
      try {
        withLayer(this.name, () => runConcretely(() => scope(() => build.call(this, shape))))
      } catch (error) {
        for (const { variable } of this.ownWeights.splice(before)) variable.dispose()
        throw error
      }
      this.built = true
      this.fix()
    }
    Object.defineProperty(this, 'build', { value: guarded, writable: true, configurable: true })
  }

  /** From now on options cannot be set: weights were made of them, a model has chosen its ops by them, and captured steps have them as constants. */
  private fix(): void {
    fixOptions(this, ['name', 'trainable'])
    if (!isLibraryClass(this.constructor)) return
    for (const [name, value] of Object.entries(this)) {
      if (this.ownWeights.some(({ variable }) => variable === value)) {
        fixProperties(this.kind, this, [name], `use ${name}.assign(value)`)
      }
    }
  }

  /** Runs `fn` on the inputs as `call` gets them, and frees all but its result and added losses. */
  protected use<R extends Structure<Tensor>>(x: LayerInput, fn: (input: LayerInput) => R): R {
    this.expectAlive()
    const inputs = leavesOf(x)
    for (const t of inputs) expectTensor(this.kind, 'x', t)
    const outermost = depth === 0
    if (outermost && lossesAdded) this.clearLosses()
    this.prepare(mapLeaves(x, ({ shape }) => publicShape(shape)) as ShapeOrShapes)
    depth++
    try {
      const { output } = withLayer(this.name, () => scope(() => this.compute(x, fn)))
      return outermost ? ownHandles(inputs, output) : output
    } finally {
      depth--
    }
  }

  /** @throws DisposedError */
  protected expectAlive(where: string = this.kind, what = 'layer'): void {
    if (this.disposed) throw failure(DisposedError, where, `expected a live ${what}, received ${this.name} that has been disposed`)
  }

  private compute<R extends Structure<Tensor>>(x: LayerInput, fn: (input: LayerInput) => R): { output: R; losses: Tensor[] } {
    const output = fn(mapLeaves(x, (t) => this.castInput(t)))
    for (const t of this.tensorsOf(output)) {
      if (this.activityRegularizer) this.addLoss(ops.div(this.activityRegularizer.penalty(t), t.shape[0] ?? 1))
    }
    return { output, losses: lossesAdded ? this.addedLosses() : [] }
  }

  /** The tensors that `call` returned. @throws ArgumentError for anything else */
  private tensorsOf(output: Structure<Tensor>): readonly Tensor[] {
    const outputs = leavesOf<Tensor>(output)
    const other = outputs.findIndex((t) => !(t instanceof Tensor))
    if (other >= 0) throw this.failure(ArgumentError, `expected call to return a tensor, received ${show(outputs[other])}`)
    return outputs
  }

  private castInput(x: Tensor): Tensor {
    const { computeDType } = this
    if (x.dtype === computeDType) return x
    const isFloat = x.dtype === 'float32' || x.dtype === 'bfloat16'
    return isFloat || !this.takesIntegers ? inDType(x, computeDType) : x
  }

  private applySymbolic(x: Structure<SymbolicTensor>): Structure<SymbolicTensor> {
    for (const [i, t] of leavesOf(x).entries()) {
      if (t instanceof SymbolicTensor) continue
      throw this.failure(ArgumentError, `expected symbolic tensors alone, or tensors alone, received ${show(t)} at ${i}`)
    }
    this.prepare(mapLeaves(x, ({ shape }) => shape) as ShapeOrShapes)
    const output = runAbstractly(() => {
      const abstract = mapLeaves(x, ({ shape, dtype }) => this.castInput(abstractTensor(shape, dtype)))
      return withLayer(this.name, () => this.call(abstract, { training: false }))
    })
    this.tensorsOf(output)
    return this.addNode(x, (node) =>
      mapLeaves<Tensor, SymbolicTensor>(output, (t) => new SymbolicTensor(publicShape(t.shape), t.dtype, node))
    )
  }

  /** Notes a use on symbolic tensors; gives its outputs. */
  protected addNode(inputs: Structure<SymbolicTensor>, outputs: (node: LayerNode) => Structure<SymbolicTensor>): Structure<SymbolicTensor> {
    const node = makeNode(this, inputs, outputs)
    this.node ??= node
    this.uses++
    return node.outputs
  }

  private onlyNode(what: string): LayerNode {
    if (this.uses === 1) return this.node!
    throw this.failure(
      ArgumentError,
      `expected a layer that was applied to one symbolic tensor to have an ${what}, received ${this.uses} uses`
    )
  }

  private prepare(shape: ShapeOrShapes): void {
    if (!this.built) {
      this.build(shape)
      this.built = true
    }
    this.checkInput(shape)
  }

  private penalties(): Tensor[] {
    const own = this.tree(isTrainable).flatMap(({ ownWeights }) => ownWeights)
    return own
      .filter(({ variable, regularizer }) => variable.trainable && regularizer)
      .map(({ variable, regularizer }) => scope(() => regularizer!.penalty(variable)))
  }

  private addedLosses(): Tensor[] {
    return this.tree().flatMap(({ added }) => added)
  }

  private clearLosses(): void {
    for (const loss of this.added) loss.dispose()
    this.added = []
    for (const layer of this.sublayers) layer.clearLosses()
  }
}

function isPart(value: unknown): value is AnyLayer | Variable {
  return value instanceof Layer || value instanceof Variable
}

function isTrainable(layer: AnyLayer): boolean {
  return layer.trainable
}

/** Outputs of which each can be disposed of by itself: what is an input, or comes twice, gets a handle of its own. */
function ownHandles<R extends Structure<Tensor>>(inputs: readonly Tensor[], output: R): R {
  const seen = new Set(inputs)
  return mapLeaves<Tensor, Tensor>(output, (t) => {
    if (seen.has(t)) return ops.reshape(t, t.shape)
    seen.add(t)
    return t
  }) as R
}
