// What a model takes and gives: one tensor, an array of them, or a record of them.
import { ArgumentError, failure, show } from './errors'
import { isRecord } from './plain'

/** One value, an array of values, or a record of them. */
export type Structure<T> = T | readonly T[] | Readonly<Record<string, T>>

/** The values of a structure, in their order. */
export function leavesOf<T>(structure: Structure<T>): readonly T[] {
  if (Array.isArray(structure)) return structure as readonly T[]
  return isRecord(structure) ? (Object.values(structure) as T[]) : [structure as T]
}

/** The structure with each value replaced. */
export function mapLeaves<T, U>(structure: Structure<T>, replace: (leaf: T) => U): Structure<U> {
  if (Array.isArray(structure)) return structure.map(replace)
  if (!isRecord(structure)) return replace(structure as T)
  return Object.fromEntries(Object.entries(structure).map(([key, leaf]) => [key, replace(leaf as T)]))
}

/** A structure as `template` with these values, in its order. */
export function packLike<T>(template: Structure<unknown>, values: readonly T[]): Structure<T> {
  let next = 0
  return mapLeaves(template, () => values[next++]!)
}

/**
 * The values of a record in the order of `keys`.
 * @throws ArgumentError that says which keys are missing and which mean nothing
 */
export function byKeys<T>(where: string, what: string, record: Readonly<Record<string, T>>, keys: readonly string[]): T[] {
  const missing = keys.filter((key) => !Object.hasOwn(record, key))
  const unknown = Object.keys(record).filter((key) => !keys.includes(key))
  if (missing.length === 0 && unknown.length === 0) return keys.map((key) => record[key]!)
  const details = [...(missing.length > 0 ? [`without ${list(missing)}`] : []), ...(unknown.length > 0 ? [`with ${list(unknown)}`] : [])]
  throw failure(ArgumentError, where, `expected ${what} as a record of ${list(keys)}, received one ${details.join(' and ')}`)
}

function list(keys: readonly string[]): string {
  return keys.map(show).join(', ')
}
