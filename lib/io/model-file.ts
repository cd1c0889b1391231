// What a model's file holds besides weights: architecture, compile configuration, the state of optimizer and randomness, as metadata.
import { checkOptions, type NamesOf } from '../arguments'
import { FormatError } from '../errors'
import { serialize } from '../layers'
import type { AnyModel } from '../models/model'
import type { Variable } from '../tensor'
import { type SafetensorsFile, writeSafetensors } from './safetensors'
import { type Named, namedWeights, snapshot } from './tensors'

export interface SaveOptions {
  /** Whether the optimizer's state is saved, so that training can go on. Default true. */
  includeOptimizer?: boolean | undefined
}

const saveOptions: NamesOf<SaveOptions> = { includeOptimizer: 'optional' }

/** The entry `state` of the metadata. */
export interface SavedState {
  /** Names of the tensors that hold the optimizer's state, in its order. */
  optimizer: string[]
  /** Names of the weights that the optimizer has state for, in its order. */
  optimized: string[]
  /** Names of the tensors that hold the states of random generators, in the order of the layers. */
  random: string[]
  shuffle: { key: [number, number]; drawn: number } | undefined
}

/** What every file of ours says of itself. */
export const formatMetadata = { format: 'neurite', version: '1' }

/** Refuses a file of a later format. What other programs have written says nothing of ours. @throws FormatError */
export function checkVersion({ path, metadata }: SafetensorsFile): void {
  const { format, version } = formatMetadata
  const found = metadata.get('version')
  if (metadata.get('format') !== format || found === undefined || found === version) return
  throw new FormatError(`${path}: expected version ${version} of the format, received ${found}: a newer neurite may read it`)
}

/** Writes a model. */
export async function saveModel(model: AnyModel, path: string, options: SaveOptions = {}): Promise<void> {
  const { includeOptimizer = true } = checkOptions('save', options, saveOptions)
  const weights = namedWeights(model)
  const compiled = model.isCompiled ? model.compiled('save') : undefined
  const optimizer = compiled === undefined || !includeOptimizer ? undefined : compiled.optimizer
  const random = randomTensors(model)
  const pathOf = new Map(weights.map(([name, variable]) => [variable, name]))
  // An optimizer may also have state of another model's variables, which have no place in this one's file.
  const optimized = optimizer?.variables.filter((v) => pathOf.has(v)) ?? []
  const optimizerState = optimizer === undefined ? [] : optimizerTensors(optimizer.stateOf(optimized))
  const state: SavedState = {
    optimizer: optimizerState.map(([name]) => name),
    optimized: optimized.map((v) => pathOf.get(v)!),
    random: random.map(([name]) => name),
    shuffle: { key: [...model.shuffleState.key], drawn: model.shuffleState.drawn }
  }
  // Before the first await: the architecture and the values are those of the call.
  const metadata = {
    ...formatMetadata,
    model: JSON.stringify(serialize(model)),
    ...(compiled && { compile: JSON.stringify(compiled.getConfig()) }),
    state: JSON.stringify(state)
  }
  await writeSafetensors(path, await snapshot([...weights, ...optimizerState, ...random]), metadata)
}

/** The optimizer's state by names such as `optimizer/3/kernel_momentum`. */
export function optimizerTensors(weights: readonly Variable[]): Named[] {
  return weights.map((variable, i) => [`optimizer/${i}/${variable.name}`, variable])
}

/** The states of a model's random generators. */
export function randomTensors(model: AnyModel): Named[] {
  return model.generators.map(({ state }, i) => [`random/${i}`, state])
}

/** A JSON value of the metadata; undefined if it is not there. @throws FormatError if it is no object in JSON */
export function readMetadata(file: SafetensorsFile, key: string): Record<string, unknown> | undefined {
  const text = file.metadata.get(key)
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new FormatError(`${file.path}: the metadata "${key}" are not JSON`, { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new FormatError(`${file.path}: expected the metadata "${key}" to be an object`)
}

/** The state of optimizer and randomness in a file; empty lists if there is none. @throws FormatError */
export function readState(file: SafetensorsFile): SavedState {
  const { optimizer = [], optimized = [], random = [], shuffle } = readMetadata(file, 'state') ?? {}
  for (const list of [optimizer, optimized, random]) {
    if (!Array.isArray(list) || list.some((name) => typeof name !== 'string')) throw badState(file)
  }
  return { optimizer, optimized, random, shuffle: readShuffle(file, shuffle) } as SavedState
}

function readShuffle(file: SafetensorsFile, value: unknown): SavedState['shuffle'] {
  if (value === undefined) return undefined
  const { key, drawn } = (value ?? {}) as Partial<NonNullable<SavedState['shuffle']>>
  const isKey = Array.isArray(key) && key.length === 2 && key.every((word) => Number.isInteger(word))
  if (!isKey || !Number.isSafeInteger(drawn) || drawn! < 0) throw badState(file)
  return { key, drawn: drawn! }
}

function badState(file: SafetensorsFile): FormatError {
  return new FormatError(`${file.path}: the metadata "state" are not what a model's file has`)
}
