// What belongs to a layer: the layers and variables in its fields, found anew whenever somebody asks, since fields may be assigned at any time.
import { isRecord } from '../plain'

/** What fields have been found to hold in the question that is being answered. */
let known: Map<object, ReadonlySet<unknown>> | undefined

/** Runs `fn`, a question about a layer and those in it, in which each layer's fields are looked through once. */
export function asOneQuestion<T>(fn: () => T): T {
  if (known !== undefined) return fn()
  known = new Map()
  try {
    return fn()
  } finally {
    known = undefined
  }
}

/**
 * The parts in the fields of `owner`, also in arrays, plain records, Maps and Sets, however deep.
 * @param skipped names of fields that are not looked into
 */
export function partsOf<Part>(owner: object, skipped: ReadonlySet<string>, isPart: (value: unknown) => value is Part): ReadonlySet<Part> {
  const before = known?.get(owner) as ReadonlySet<Part> | undefined
  if (before !== undefined) return before
  const found = new Set<Part>()
  for (const [name, value] of Object.entries(owner)) if (!skipped.has(name)) collect(value, isPart, found, new Set())
  known?.set(owner, found)
  return found
}

/** Plain arrays may be large, tables of numbers say: one whose elements are no objects costs a look at each and nothing else. */
function collect<Part>(value: unknown, isPart: (value: unknown) => value is Part, found: Set<Part>, seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || (Array.isArray(value) && !holdsObjects(value))) return
  if (isPart(value)) {
    found.add(value)
  } else if (Array.isArray(value) || value instanceof Map || value instanceof Set || isRecord(value)) {
    if (seen.has(value)) return
    seen.add(value)
    const items = isRecord(value) ? Object.values(value) : value.values()
    for (const item of items) collect(item, isPart, found, seen)
  }
}

function holdsObjects(list: readonly unknown[]): boolean {
  for (let i = 0; i < list.length; i++) if (typeof list[i] === 'object') return true
  return false
}
