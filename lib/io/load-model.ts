// loadModel: a model from its file.
import { checkOptions, type NamesOf } from '../arguments'
import { ArgumentError, DTypeError, FormatError, NeuriteError, ShapeError } from '../errors'
import { deserialize } from '../layers'
import type { CompileOptions } from '../models/compiled'
import { Functional } from '../models/functional'
import { type AnyModel, Model } from '../models/model'
import { Sequential } from '../models/sequential'
import { type CustomObjects, isSerialized, UnknownClassError, withCustomObjects } from '../serialization'
import type { Structure } from '../structure'
import type { Tensor } from '../tensor'
import { checkPath } from './file-errors'
import { checkVersion, optimizerTensors, randomTensors, readMetadata, readState, type SavedState } from './model-file'
import { SafetensorsFile } from './safetensors'
import { assignTensors, checkTensors, type Named, namedWeights } from './tensors'
import { withWeightBudget } from './weight-budget'

export interface LoadModelOptions {
  /** Layers, losses, metrics, … of one's own, by their names in the file. */
  customObjects?: CustomObjects | undefined
  /** Whether to compile the model as it was, with the optimizer's state. Default true. */
  compile?: boolean | undefined
}

const loadModelOptions: NamesOf<LoadModelOptions> = { customObjects: 'optional', compile: 'optional' }

/**
 * Loads a model that `save` has saved: it predicts bit for bit what the saved one did, and its training goes on where it was.
 *
 * The whole header is checked (sizes, offsets, dtypes, and shapes against the architecture) before memory is taken.
 * A model of several outputs is `loadModel<{ name: Tensor, … }>(…)` to TypeScript, as its `predict` gives.
 * @throws FileNotFoundError; FileError if it cannot be read; FormatError if the file is not a whole model file; ArgumentError for a class that `customObjects` lacks
 * @example
 * const model = await loadModel('digits.safetensors')
 */
export async function loadModel<Out extends Structure<Tensor> = Tensor>(path: string, options: LoadModelOptions = {}): Promise<Model<Out>> {
  checkPath('loadModel', 'path', path)
  const { customObjects, compile = true } = checkOptions('loadModel', options, loadModelOptions)
  const file = await SafetensorsFile.open(path)
  try {
    checkVersion(file)
    const state = readState(file)
    const model = withCustomObjects({ Sequential, Functional, ...customObjects }, () => makeModel(file, state, compile))
    try {
      await fillModel(file, model, state, compile)
      return model as unknown as Model<Out>
    } catch (error) {
      model.dispose()
      throw error
    }
  } finally {
    await file.close()
  }
}

/** The model with its weights as they come, compiled. */
function makeModel(file: SafetensorsFile, state: SavedState, compile: boolean): AnyModel {
  const architecture = readMetadata(file, 'model')
  if (architecture === undefined) {
    throw new FormatError(`${file.path} holds no architecture, only tensors: make the model and use its loadWeights`)
  }
  const saved = new Set([...state.optimizer, ...state.random])
  const budget = file.tensors.reduce((sum, { name, bytes }) => sum + (saved.has(name) ? 0 : bytes), 0)
  return orFormatError(file, () => {
    if (!isSerialized(architecture)) throw new FormatError(`${file.path}: the metadata "model" name no class`)
    const model = withWeightBudget(budget, () => deserialize(architecture))
    if (!(model instanceof Model)) throw new FormatError(`${file.path}: expected the class of a model, received ${architecture.className}`)
    const compileOptions = compile ? readMetadata(file, 'compile') : undefined
    if (compileOptions !== undefined) model.compile(compileOptions as CompileOptions)
    return model
  })
}

async function fillModel(file: SafetensorsFile, model: AnyModel, state: SavedState, compile: boolean): Promise<void> {
  const weights = namedWeights(model)
  const random = model.generators.length === state.random.length ? randomTensors(model) : undefined
  if (random === undefined)
    throw new FormatError(`${file.path}: expected ${model.generators.length} random states, received ${state.random.length}`)
  checkTensors(file, [...weights, ...random])
  const optimizer = compile && model.isCompiled && state.optimizer.length > 0 ? optimizerState(file, model, weights, state) : []
  const known = new Set([...weights.map(([name]) => name), ...state.optimizer, ...state.random])
  const unknown = file.tensors.find(({ name }) => !known.has(name))
  if (unknown !== undefined) throw new FormatError(`${file.path}: the tensor "${unknown.name}" has no place in the model`)
  await assignTensors(file, [...weights, ...random, ...optimizer])
  if (state.shuffle !== undefined) Object.assign(model.shuffleState, state.shuffle)
}

/** The optimizer's variables, made for the weights that it had state for, and checked against the file. */
function optimizerState(file: SafetensorsFile, model: AnyModel, weights: readonly Named[], state: SavedState): Named[] {
  const byName = new Map(weights)
  const variables = state.optimized.map((name) => {
    const variable = byName.get(name)
    if (variable === undefined) throw new FormatError(`${file.path}: the optimizer has state for "${name}", which is no weight`)
    return variable
  })
  model.optimizer.build(variables)
  const tensors = optimizerTensors(model.optimizer.stateOf(variables))
  if (tensors.length !== state.optimizer.length) {
    throw new FormatError(`${file.path}: expected ${tensors.length} tensors of the optimizer's state, received ${state.optimizer.length}`)
  }
  checkTensors(file, tensors)
  return tensors
}

/** Runs `fn`; what it does not take is due to a configuration that nobody of us has written, unless a class of the user's is not there. */
function orFormatError<T>(file: SafetensorsFile, fn: () => T): T {
  try {
    return fn()
  } catch (cause) {
    if (cause instanceof UnknownClassError || (cause instanceof FormatError && cause.message.startsWith(file.path))) throw cause
    const refused = [FormatError, ArgumentError, ShapeError, DTypeError].some((Type) => cause instanceof Type)
    if (cause instanceof NeuriteError && !refused) throw cause
    throw new FormatError(`${file.path}: the architecture cannot be read: ${(cause as Error).message}`, { cause })
  }
}
