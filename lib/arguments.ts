// Checks of options: each returns the value or throws an ArgumentError that names the owner, the option, what it may be and what came.
import { ArgumentError, failure, show } from './errors'

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
 * Options as an object. A key in snake_case, which JavaScript would silently pass over, is an error that says the camelCase name.
 * @throws ArgumentError if `options` is no plain object or has a key with an underscore
 */
export function checkOptions<T extends object>(owner: string, options: T): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw failure(ArgumentError, owner, `expected one object of options, received ${show(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (key.includes('_')) throw failure(ArgumentError, owner, `expected the option ${camelCase(key)}, received ${key}`)
  }
  return options
}

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
