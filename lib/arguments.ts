// Checks of options: each returns the value or throws an ArgumentError that names the owner, the option, what it may be and what came.
import { ArgumentError, failure, show } from './errors'
import { isRecord } from './plain'
import type { TensorOptions } from './tensor'

/** The numbers that an option may be. Bounds belong to the range unless `above` or `below` is used. */
export interface Range {
  integer?: boolean
  min?: number
  max?: number
  /** Greater than this. */
  above?: number
  /** Less than this. */
  below?: number
}

/** @throws ArgumentError unless `value` is a finite number in the range */
export function numberOption(owner: string, name: string, value: unknown, range: Range = {}): number {
  const { integer = false, min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = range
  const fits = typeof value === 'number' && Number.isFinite(value) && (!integer || Number.isInteger(value))
  if (fits && value >= min && value <= max && value > above && value < below) return value
  throw failure(ArgumentError, owner, `expected ${name} to be ${describe(range)}, received ${show(value)}`)
}

/** As {@link numberOption}, with undefined and null (as in a file) for "not set". */
export function optionalNumber(owner: string, name: string, value: unknown, range: Range = {}): number | undefined {
  return value === undefined || value === null ? undefined : numberOption(owner, name, value, range)
}

/** @throws ArgumentError unless `value` is one of `allowed` */
export function choice<T extends string>(owner: string, name: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T
  throw failure(ArgumentError, owner, `expected ${name} to be one of ${allowed.map((a) => `'${a}'`).join(', ')}, received ${show(value)}`)
}

/** @throws ArgumentError unless `value` is true or false */
export function booleanOption(owner: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw failure(ArgumentError, owner, `expected ${name} to be true or false, received ${show(value)}`)
}

/**
 * Makes properties that captured steps have as constants refuse to be set: what was recorded would go on with the old value.
 * @param instead what to do, as messages end
 */
export function fixProperties(owner: string, object: object, names: readonly string[], instead: string): void {
  for (const name of names) {
    const own = Object.getOwnPropertyDescriptor(object, name)
    if (own?.configurable === false) continue
    const value: unknown = own?.value
    const set = (wanted: unknown): never => {
      const stay = own === undefined ? 'as it was given' : show(value)
      throw failure(ArgumentError, owner, `expected ${name} to stay ${stay}, received ${show(wanted)}: ${instead}`)
    }
    Object.defineProperty(object, name, { configurable: false, enumerable: own?.enumerable ?? false, get: () => value, set })
  }
  makeFast(object)
}

/**
 * V8 turns an object whose properties are defined anew into a dictionary, and reading any of its fields takes several times as long: an eager call of a layer a fifth
 * longer. An object that is a prototype is given fast fields again when something is looked up through it.
 */
function makeFast(object: object): void {
  const heir = Object.create(object) as { constructor: unknown }
  for (let i = 0; i < 2; i++) void heir.constructor
}

/** Names of options, and whether there must be one. */
export type OptionNames = Readonly<Record<string, 'required' | 'optional'>>
/** The names of the options that are in `O`: no more, no fewer. */
export type NamesOf<O> = { readonly [K in keyof O]-?: Record<never, never> extends Pick<O, K> ? 'optional' : 'required' }

/**
 * Options as an object with what it must have and, unless they are `open`, with nothing else. A key in snake_case is an error there too.
 * @throws ArgumentError that names the option and says which is meant
 */
export function checkOptions<T extends object>(owner: string, options: T, names: OptionNames, open = false): T {
  const given = options ?? {}
  if (typeof given !== 'object' || Array.isArray(given)) throw noOptions(owner, options)
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(names, key)) continue
    // A tensor, say, where the options belong.
    if (!open && !isRecord(given)) throw noOptions(owner, options)
    const camel = camelCase(key)
    if (open ? key.includes('_') : camel !== key && Object.hasOwn(names, camel)) {
      throw failure(ArgumentError, owner, `expected the option ${camel}, received ${key}`)
    }
    if (!open) throw failure(ArgumentError, owner, `unknown option '${key}': ${suggestion(key, Object.keys(names))}`)
  }
  const missing: string[] = []
  for (const key in names) if (names[key] === 'required' && given[key as keyof T] === undefined) missing.push(key)
  if (missing.length === 0) return given as T
  throw failure(ArgumentError, owner, `expected the option${missing.length > 1 ? 's' : ''} ${missing.join(' and ')}, received undefined`)
}

const none = Object.freeze({})

/** As {@link checkOptions} where nothing is required, for functions that are called often: options that are left out cost nothing. */
export function optionsOf<T extends object>(owner: string, options: T | undefined, names: OptionNames): Partial<T> {
  return options === undefined ? (none as Partial<T>) : checkOptions(owner, options, names)
}

function noOptions(owner: string, received: unknown): Error {
  return failure(ArgumentError, owner, `expected one object of options, received ${show(received)}`)
}

/** Options of whatever makes a tensor. */
export const tensorOptions: NamesOf<TensorOptions> = { dtype: 'optional', device: 'optional' }

/** `kernel_initializer` → `kernelInitializer`. */
export function camelCase(name: string): string {
  return name.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function describe({ integer, min, max, above, below }: Range): string {
  const kind = integer ? 'an integer' : 'a finite number'
  const from = min !== undefined ? `of at least ${min}` : above !== undefined ? `greater than ${above}` : ''
  const to = max !== undefined ? `at most ${max}` : below !== undefined ? `less than ${below}` : ''
  return [kind, [from, to].filter(Boolean).join(' and ')].filter(Boolean).join(' ')
}

/** What a message says after an unknown name: the one that is meant, or all that there are. */
export function suggestion(name: string, known: readonly string[]): string {
  const meant = known.length === 1 ? known[0] : meantBy(name, known)
  return meant === undefined ? `expected one of ${known.map((k) => `'${k}'`).join(', ')}` : `did you mean '${meant}'?`
}

/** The nearest name if it is near, else one that `name` is the initials or a part of, or that begins with the same word: upper and lower case are the same. */
function meantBy(name: string, known: readonly string[]): string | undefined {
  const low = name.toLowerCase()
  const distances = known.map((k) => editDistance(low, k.toLowerCase()))
  const least = Math.min(...distances)
  if (least <= Math.max(2, name.length / 3) && least < name.length) return known[distances.indexOf(least)]
  const first = wordsOf(name)[0]!
  return (
    known.find(
      (k) =>
        low ===
        wordsOf(k)
          .map((word) => word[0])
          .join('')
    ) ??
    known.find((k) => low.length > 2 && k.toLowerCase().includes(low)) ??
    known.find((k) => first.length > 3 && wordsOf(k)[0] === first)
  )
}

/** `learningRate` → learning, rate. */
function wordsOf(name: string): string[] {
  return camelCase(name)
    .split(/(?=[A-Z])/)
    .map((word) => word.toLowerCase())
}

/** Whether two names differ by a slip: a letter or two. */
export function isNear(a: string, b: string): boolean {
  return Math.abs(a.length - b.length) <= 2 && editDistance(a.toLowerCase(), b.toLowerCase()) <= 2
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
