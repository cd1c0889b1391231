// The tape: what was computed from watched tensors, walked backwards for gradients.
import { ArgumentError, currentLayer, DTypeError, failure, ShapeError, show, showShape, withLayer } from './errors'
import type { DType } from './native'
import { type Attributes, asOf, expectTensor, lastWrite, whileWalking } from './op'
import { onesLike, zerosLike } from './ops/creation'
import { add } from './ops/elementwise-binary'
import { isPromise } from './plain'
import { keep, scope, scopeMark, sweep, unhold } from './scope'
import { sameShape } from './shape'
import { alias, type Tensor, Variable } from './tensor'

/** Computes the gradient with respect to one input: dy itself, or a new tensor. */
export type Thunk = () => Tensor
/** The same plus the gradient that came to that input before, if one did: for ops that add to what they store. */
export interface AddingThunk {
  readonly addTo: (before: Tensor | null) => Tensor
}
/**
 * The gradient of an op: a thunk for each input, null where nothing flows. `dy` is the gradient of the first output; `node.dys` has
 * those of all outputs (undefined where none came).
 */
export type Gradient = (dy: Tensor, node: TapeNode) => readonly (Thunk | AddingThunk | null)[]

/** One op as the tape remembers it. */
export interface TapeNode {
  readonly inputs: readonly (Tensor | null)[]
  readonly outputs: readonly Tensor[]
  readonly attributes: Attributes
  readonly gradient: Gradient
  /** The layer that the op belongs to: its gradients do too. */
  readonly layer: string | undefined
  /** The last write in place before it ran. */
  readonly lastWrite: number
  dys: readonly (Tensor | undefined)[]
}

interface Tape {
  readonly bit: number
  readonly nodes: TapeNode[]
}

const tapes: Tape[] = []
/** Bits of the tapes that are active and of those that are being walked. */
let bits = 0

/** True while a tape is active. */
export let watching = false

/** Adds an op to the tapes of the mask and marks its float outputs as watched. */
export function recordNode(
  mask: number,
  inputs: readonly (Tensor | null)[],
  outputs: readonly Tensor[],
  attributes: Attributes,
  gradient: Gradient
): void {
  for (let i = 0; i < outputs.length; i++) if (isFloat(outputs[i]!.dtype)) outputs[i]!.tapes = mask
  for (let t = 0; t < tapes.length; t++) {
    const tape = tapes[t]!
    if ((tape.bit & mask) === 0) continue
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]
      if (input != null) input.holds++
    }
    for (let i = 0; i < outputs.length; i++) outputs[i]!.holds++
    tape.nodes.push({ inputs, outputs, attributes, gradient, layer: currentLayer, lastWrite, dys: [] })
  }
}

/** True for the dtypes that gradients flow through. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'bfloat16'
}

/** What `valueAndGrad` gives. */
export interface ValueAndGrad<Aux extends readonly unknown[]> {
  value: Tensor
  /** What `fn` returned after the scalar. */
  aux: Aux
  /** One gradient for each variable, in their order. */
  grads: Tensor[]
}

/**
 * Calls `fn` and differentiates the scalar that it returns with respect to `variables` (any float tensors), by reverse-mode automatic
 * differentiation. `fn` returns the scalar, or `[scalar, ...others]`. It is a scope: only the result outlives the call. A variable that
 * the scalar does not depend on gets zeros. Calls may be nested for higher derivatives.
 * @throws ShapeError, DTypeError if `fn` does not return a float scalar; ArgumentError if it returns a promise, or assigns to a variable
 * whose value before a gradient needs
 * @example
 * const { value, grads } = valueAndGrad(() => x.matmul(w).sub(y).square().mean(), [w])
 */
export function valueAndGrad<R extends Tensor | readonly [Tensor, ...unknown[]]>(
  fn: () => R,
  variables: readonly Tensor[]
): ValueAndGrad<R extends readonly [Tensor, ...infer Aux] ? Aux : []> {
  if (typeof fn !== 'function') throw failure(ArgumentError, 'valueAndGrad', `expected a function, received ${show(fn)}`)
  if (!Array.isArray(variables)) throw failure(ArgumentError, 'valueAndGrad', `expected an array of variables, received ${show(variables)}`)
  variables.forEach((v, i) => {
    expectTensor('valueAndGrad', `variable ${i}`, v)
    if (!isFloat(v.dtype)) throw failure(DTypeError, 'valueAndGrad', `expected float variables, received ${v.dtype} at ${i}`)
  })
  const result = scope(() => {
    const tape = begin(variables)
    let kept: Tensor[] = []
    try {
      const returned = fn()
      if (isPromise(returned))
        throw failure(ArgumentError, 'valueAndGrad', 'expected a function that returns a tensor, received one that returns a promise')
      const [scalar, ...aux] = Array.isArray(returned) ? (returned as readonly [Tensor, ...unknown[]]) : [returned as Tensor]
      expectTensor('valueAndGrad', 'the result of the function', scalar)
      if (scalar.shape.length !== 0) {
        throw failure(
          ShapeError,
          'valueAndGrad',
          `expected the function to return a scalar, received shape ${showShape(scalar.shape)}: take its mean or sum`
        )
      }
      if (!isFloat(scalar.dtype))
        throw failure(DTypeError, 'valueAndGrad', `expected the function to return a float scalar, received ${scalar.dtype}`)
      const value = scalar instanceof Variable || variables.includes(scalar) ? scalar.add(0) : scalar
      kept = keep([value, aux])
      finish(tape)
      const grads = whileWalking(() => backward(tape, value, variables))
      return { value, aux, grads }
    } finally {
      for (const tensor of kept) tensor.kept = false
      abandon(tape, variables)
    }
  })
  // The tuple's type says what aux is; here it is what the function returned after the scalar.
  return result as ReturnType<typeof valueAndGrad<R>>
}

function begin(variables: readonly Tensor[]): Tape {
  const bit = ~bits & (bits + 1)
  if (bit <= 0) throw failure(ArgumentError, 'valueAndGrad', 'expected at most 31 nested calls')
  bits |= bit
  const tape: Tape = { bit, nodes: [] }
  tapes.push(tape)
  watching = true
  for (const variable of variables) variable.tapes |= tape.bit
  return tape
}

/** Takes the tape off the active ones: what follows is not recorded on it. */
function finish(tape: Tape): void {
  const at = tapes.indexOf(tape)
  if (at >= 0) tapes.splice(at)
  watching = tapes.length > 0
}

/** Lets go of all that the tape still holds and takes its marks away. */
function abandon(tape: Tape, variables: readonly Tensor[]): void {
  finish(tape)
  bits &= ~tape.bit
  for (const node of tape.nodes) forget(tape, node)
  tape.nodes.length = 0
  for (const variable of variables) variable.tapes &= ~tape.bit
}

function forget(tape: Tape, { inputs, outputs }: TapeNode): void {
  for (let i = 0; i < inputs.length; i++) if (inputs[i] != null) unhold(inputs[i]!)
  for (let i = 0; i < outputs.length; i++) {
    outputs[i]!.tapes &= ~tape.bit
    unhold(outputs[i]!)
  }
}

/** Walks the tape from its end and frees what it has used. Gradients of an input add up in the order of the walk. */
function backward(tape: Tape, value: Tensor, variables: readonly Tensor[]): Tensor[] {
  const gradients = new Map<Tensor, Tensor>()
  try {
    if ((value.tapes & tape.bit) !== 0) put(gradients, value, () => onesLike(value))
    for (let i = tape.nodes.length - 1; i >= 0; i--) {
      const mark = scopeMark()
      const node = tape.nodes[i]!
      withLayer(node.layer, () => asOf(node.lastWrite, () => step(tape, node, gradients)))
      tape.nodes.pop()
      forget(tape, node)
      // An output was last needed by the nodes after its own, which have all been walked.
      for (const output of node.outputs) if (!output.kept) output.dispose()
      sweep(mark)
    }
  } catch (error) {
    for (const gradient of gradients.values()) letGo(gradient)
    throw error
  }
  // What is left are the variables' gradients; one tensor may be the gradient of several.
  for (const gradient of gradients.values()) gradient.holds--
  const taken = new Set<Tensor>()
  return variables.map((variable) => {
    const gradient = gradients.get(variable)
    if (gradient === undefined) return zerosLike(variable)
    if (taken.has(gradient)) return alias(gradient, gradient.shape)
    taken.add(gradient)
    return gradient
  })
}

/** From the gradients of a node's outputs, which are then let go of, to those of its inputs. */
function step({ bit }: Tape, node: TapeNode, gradients: Map<Tensor, Tensor>): void {
  const { inputs, outputs } = node
  const dys = outputs.map((output) => gradients.get(output))
  if (!dys.some((dy) => dy !== undefined)) return
  node.dys = dys
  const thunks = node.gradient(dys[0] ?? zerosLike(outputs[0]!), node)
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]
    const thunk = thunks[i]
    if (input != null && thunk != null && (input.tapes & bit) !== 0) put(gradients, input, thunk)
  }
  for (let i = 0; i < outputs.length; i++) {
    const dy = dys[i]
    if (dy === undefined) continue
    gradients.delete(outputs[i]!)
    letGo(dy)
  }
}

function put(gradients: Map<Tensor, Tensor>, input: Tensor, thunk: Thunk | AddingThunk): void {
  const before = gradients.get(input)
  const gradient = typeof thunk === 'function' ? thunk() : thunk.addTo(before ?? null)
  if (!sameShape(gradient.shape, input.shape) || gradient.dtype !== input.dtype) {
    throw new Error(`gradient of ${gradient.dtype} ${showShape(gradient.shape)} for an input of ${input.dtype} ${showShape(input.shape)}`)
  }
  const total = before === undefined || typeof thunk !== 'function' ? gradient : add(before, gradient)
  total.holds++
  gradients.set(input, total)
  if (before !== undefined) letGo(before)
}

/** One user of a gradient less; without any it is freed at once. */
function letGo(gradient: Tensor): void {
  if (--gradient.holds === 0 && !gradient.kept) gradient.dispose()
}
