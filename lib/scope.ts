// Who frees a tensor: the scope that it was created in, else a finalizer.
import { native, reserve, shared } from './addon'
import { ArgumentError, failure, show } from './errors'
import { isPromise, isRecord } from './plain'
import { Tensor, Variable } from './tensor'

let active: Tensor[] | null = null

const finalizers = new FinalizationRegistry<number>((handle) => {
  shared.buffer[0] = handle
  native.release(1)
})

/** Gives a new tensor to the innermost scope; outside every scope it gets a finalizer. */
export function track(tensor: Tensor): void {
  if (active !== null) active.push(tensor)
  else trackForever(tensor)
}

/** Gives a tensor a finalizer whatever the scope: variables, and what leaves its outermost scope. */
export function trackForever(tensor: Tensor): void {
  tensor.finalized = true
  finalizers.register(tensor, tensor.handle, tensor)
}

/** Gives a tensor's memory back. */
export function releaseHandle(tensor: Tensor): void {
  if (tensor.finalized) finalizers.unregister(tensor)
  shared.buffer[0] = tensor.handle
  tensor.handle = 0
  native.release(1)
}

/** One holder less; the last one gives the memory back if the user has disposed of the tensor. */
export function unhold(tensor: Tensor): void {
  if (--tensor.holds === 0 && !tensor.alive) releaseHandle(tensor)
}

/** Number of tensors in the innermost scope: a mark for `sweep`. */
export function scopeMark(): number {
  return active === null ? 0 : active.length
}

/** Disposes of what the innermost scope has got since `mark`, except what is held or kept. */
export function sweep(mark: number): void {
  if (active === null) return
  reserve(active.length - mark)
  let rest = mark
  let count = 0
  for (let i = mark; i < active.length; i++) {
    const tensor = active[i]!
    if (!tensor.alive) continue
    if (tensor.kept || tensor.holds > 0) active[rest++] = tensor
    else count = drop(tensor, count)
  }
  active.length = rest
  if (count > 0) native.release(count)
}

/** Marks a tensor as disposed and, if nobody holds it, adds its handle to the buffer, which has room. */
function drop(tensor: Tensor, count: number): number {
  tensor.alive = false
  if (tensor.holds > 0) return count
  if (tensor.finalized) finalizers.unregister(tensor)
  shared.buffer[count] = tensor.handle
  tensor.handle = 0
  return count + 1
}

/** Calls `visit` with every tensor in a value: a tensor, or arrays and plain records of them. */
export function forEachTensor(value: unknown, visit: (tensor: Tensor) => void): void {
  if (value instanceof Tensor) visit(value)
  else if (Array.isArray(value)) for (const item of value) forEachTensor(item, visit)
  else if (isRecord(value)) for (const item of Object.values(value)) forEachTensor(item, visit)
}

/** A copy of a value with every tensor in it (in arrays and plain records) replaced. */
export function mapTensors(value: unknown, replace: (tensor: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return replace(value)
  if (Array.isArray(value)) return value.map((item) => mapTensors(item, replace))
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTensors(item, replace)]))
  return value
}

/**
 * Runs `fn` and frees the tensors that were created in it, except those in the returned value (a tensor, or arrays and records of
 * tensors) and variables. Scopes may be nested; what leaves a scope belongs to the one around it.
 * @throws ArgumentError if `fn` returns a promise: a scope ends when `fn` returns
 * @example
 * const norm = scope(() => x.square().sum().sqrt())
 */
export function scope<T>(fn: () => T): T {
  if (typeof fn !== 'function') throw failure(ArgumentError, 'scope', `expected a function, received ${show(fn)}`)
  const outer = active
  const own: Tensor[] = []
  active = own
  let result: T | undefined
  let kept: Tensor[] | undefined
  try {
    result = fn()
    if (isPromise(result)) {
      throw failure(
        ArgumentError,
        'scope',
        'expected a function that returns a value, received one that returns a promise: a scope ends when the function returns'
      )
    }
    kept = keep(result)
  } finally {
    active = outer
    endScope(own)
    if (kept !== undefined) for (const tensor of kept) tensor.kept = false
  }
  return result
}

/** Marks the tensors of a value so that scopes do not free them; the caller takes the marks away. */
export function keep(value: unknown): Tensor[] {
  const kept: Tensor[] = []
  forEachTensor(value, (tensor) => {
    if (tensor.kept || tensor instanceof Variable) return
    tensor.kept = true
    kept.push(tensor)
  })
  return kept
}

function endScope(own: Tensor[]): void {
  reserve(own.length)
  let count = 0
  for (let i = 0; i < own.length; i++) {
    const tensor = own[i]!
    if (!tensor.alive) continue
    if (tensor.kept) track(tensor)
    else count = drop(tensor, count)
  }
  if (count > 0) native.release(count)
}
