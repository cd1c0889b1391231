// Elementwise ops of two operands, with NumPy broadcasting: arithmetic, comparison, logic; and where, which has three.
import { ArgumentError, DTypeError, failure, show } from '../errors'
import type { DType } from '../native'
import { type Attributes, expectTensor, run } from '../op'
import { scope } from '../scope'
import { type Gradient, isFloat, type TapeNode } from '../tape'
import type { Tensor } from '../tensor'
import { floor, log, neg, square } from './elementwise-unary'
import { broadcastShapes, expectDType, expectSameDType, floats, integerRanges, numbers, unbroadcast } from './rules'

/** An operand: a tensor, or a number that takes the dtype of the other operand. */
export type Operand = Tensor | number

const noScalar: Attributes = { scalar: 0 }

function binary(name: string, a: Operand, b: Operand, allowed: readonly DType[] | null, out: DType | null, gradient?: Gradient): Tensor {
  if (typeof b === 'number') {
    expectTensor(name, 'a', a)
    return withNumber(name, a, b, [a, null], allowed, out, gradient)
  }
  expectTensor(name, 'b', b)
  if (typeof a === 'number') return withNumber(name, b, a, [null, b], allowed, out, gradient)
  expectTensor(name, 'a', a)
  if (a.dtype !== b.dtype) expectSameDType(name, a, b)
  if (allowed !== null) expectDType(name, 'a', a, allowed)
  return run(name, [a, b], { shape: broadcastShapes(name, a.shape, b.shape), dtype: out ?? a.dtype, attributes: noScalar, gradient })
}

function withNumber(
  name: string,
  x: Tensor,
  scalar: number,
  inputs: readonly (Tensor | null)[],
  allowed: readonly DType[] | null,
  out: DType | null,
  gradient: Gradient | undefined
): Tensor {
  if (allowed !== null) expectDType(name, 'the tensor', x, allowed)
  if (!isFloat(x.dtype)) expectInteger(name, scalar, x.dtype)
  return run(name, inputs, { shape: x.shape, dtype: out ?? x.dtype, attributes: { scalar }, gradient })
}

/** Kernels compute integers of all dtypes in 32 bits. */
function expectInteger(name: string, value: number, dtype: DType): void {
  if (!Number.isInteger(value)) {
    throw failure(DTypeError, name, `expected an integer beside a tensor of dtype ${dtype}, received ${show(value)}: use cast`)
  }
  const [low, high] = integerRanges.int32!
  if (value < low || value > high) {
    throw failure(
      ArgumentError,
      name,
      `expected an integer of 32 bits beside a tensor of dtype ${dtype}, received ${show(value)}: use cast`
    )
  }
}

/** The gradient's path back through broadcasting to operand i. */
function back(dy: Tensor, { inputs }: TapeNode, i: number): Tensor {
  return unbroadcast(dy, inputs[i]!.shape)
}

/** Operand i of a node: its tensor, or the number in its place. */
function operand({ inputs, attributes }: TapeNode, i: number): Operand {
  return inputs[i] ?? (attributes.scalar as number)
}

const addGradient: Gradient = (dy, node) => [() => back(dy, node, 0), () => back(dy, node, 1)]
const subGradient: Gradient = (dy, node) => [() => back(dy, node, 0), () => back(neg(dy), node, 1)]
const mulGradient: Gradient = (dy, node) => [() => back(mul(dy, operand(node, 1)), node, 0), () => back(mul(dy, operand(node, 0)), node, 1)]
const divGradient: Gradient = (dy, node) => [
  () => back(div(dy, operand(node, 1)), node, 0),
  // y = a / b, so dy/db = -y / b.
  () => back(neg(div(mul(dy, node.outputs[0]!), node.inputs[1]!)), node, 1)
]
const modGradient: Gradient = (dy, node) => [
  () => back(dy, node, 0),
  // a mod b = a - floor(a / b) b.
  () => back(neg(mul(dy, floor(div(operand(node, 0), node.inputs[1]!)))), node, 1)
]
const powGradient: Gradient = (dy, node) => [
  () => {
    const [x, p] = [node.inputs[0]!, operand(node, 1)]
    // d a^b / da = b a^(b - 1), which is 0 for b = 0 also where a is.
    if (p === 0) return mul(dy, 0)
    const less = typeof p === 'number' ? p - 1 : sub(p, 1)
    return back(mul(dy, mul(pow(x, less), p)), node, 0)
  },
  () => {
    // d a^b / db = a^b ln a; where a <= 0 the logarithm is taken as 0, as in TensorFlow.
    const base = operand(node, 0)
    const y = node.outputs[0]!
    const slope =
      typeof base === 'number'
        ? mul(y, base > 0 ? Math.log(base) : 0)
        : mul(y, where(greater(base, 0), log(where(greater(base, 0), base, 1)), 0))
    return back(mul(dy, slope), node, 1)
  }
]
/** The larger (smaller) operand gets dy; of equals, the first. */
const extremeGradient =
  (chooses: (a: Operand, b: Operand) => Tensor): Gradient =>
  (dy, node) => [
    () => back(where(chooses(operand(node, 0), operand(node, 1)), dy, 0), node, 0),
    () => back(where(chooses(operand(node, 0), operand(node, 1)), 0, dy), node, 1)
  ]
const maximumGradient = extremeGradient((a, b) => greaterEqual(a, b))
const minimumGradient = extremeGradient((a, b) => lessEqual(a, b))

/**
 * a + b, elementwise with NumPy broadcasting. One operand may be a number.
 * @throws ShapeError if the shapes do not broadcast; DTypeError if the dtypes differ; ArgumentError for a number beside integers that has more
 * than 32 bits
 */
export function add(a: Operand, b: Operand): Tensor {
  return binary('add', a, b, numbers, null, addGradient)
}

/** a - b; see `add`. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary('sub', a, b, numbers, null, subGradient)
}

/** a · b, elementwise; see `add`. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary('mul', a, b, numbers, null, mulGradient)
}

/** a / b for floats; see `add`. */
export function div(a: Operand, b: Operand): Tensor {
  return binary('div', a, b, floats, null, divGradient)
}

/** floor(a / b); an integer divided by 0 gives 0. Nothing flows back. See `add`. */
export function floorDivide(a: Operand, b: Operand): Tensor {
  return binary('floorDivide', a, b, numbers, null)
}

/** a - floor(a / b) · b: the remainder with the sign of b, as in Python; an integer modulo 0 gives 0. See `add`. */
export function mod(a: Operand, b: Operand): Tensor {
  return binary('mod', a, b, numbers, null, modGradient)
}

/** a to the power of b; see `add`. */
export function pow(a: Operand, b: Operand): Tensor {
  return binary('pow', a, b, numbers, null, powGradient)
}

/** The larger of a and b, NaN if either is; see `add`. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary('maximum', a, b, numbers, null, maximumGradient)
}

/** The smaller of a and b, NaN if either is; see `add`. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary('minimum', a, b, numbers, null, minimumGradient)
}

/** (a - b)²; see `add`. */
export function squaredDifference(a: Operand, b: Operand): Tensor {
  return scope(() => square(sub(a, b)))
}

/** a = b, as bool; any dtype. See `add`. */
export function equal(a: Operand, b: Operand): Tensor {
  return binary('equal', a, b, null, 'bool')
}

/** a ≠ b, as bool; any dtype. See `add`. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return binary('notEqual', a, b, null, 'bool')
}

/** a < b, as bool; any dtype. See `add`. */
export function less(a: Operand, b: Operand): Tensor {
  return binary('less', a, b, null, 'bool')
}

/** a ≤ b, as bool; any dtype. See `add`. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return binary('lessEqual', a, b, null, 'bool')
}

/** a > b, as bool; any dtype. See `add`. */
export function greater(a: Operand, b: Operand): Tensor {
  return binary('greater', a, b, null, 'bool')
}

/** a ≥ b, as bool; any dtype. See `add`. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return binary('greaterEqual', a, b, null, 'bool')
}

const bools: readonly DType[] = ['bool']

/** a and b, for bool. */
export function logicalAnd(a: Operand, b: Operand): Tensor {
  return binary('logicalAnd', a, b, bools, 'bool')
}

/** a or b, for bool. */
export function logicalOr(a: Operand, b: Operand): Tensor {
  return binary('logicalOr', a, b, bools, 'bool')
}

/** Either a or b, for bool. */
export function logicalXor(a: Operand, b: Operand): Tensor {
  return binary('logicalXor', a, b, bools, 'bool')
}

const whereGradient: Gradient = (dy, node) => [
  null,
  () => back(where(node.inputs[0]!, dy, 0), node, 1),
  () => back(where(node.inputs[0]!, 0, dy), node, 2)
]

/**
 * a where `condition` (bool) holds, else b; all three broadcast. One of a and b may be a number.
 * @throws DTypeError if `condition` is not bool or a and b differ; ShapeError if the shapes do not broadcast
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  expectTensor('where', 'condition', condition)
  expectDType('where', 'condition', condition, bools)
  if (typeof a === 'number' && typeof b === 'number') {
    throw failure(ArgumentError, 'where', 'expected a or b to be a tensor, received two numbers')
  }
  const like = typeof a === 'number' ? b : a
  expectTensor('where', typeof a === 'number' ? 'b' : 'a', like)
  const x = typeof a === 'number' ? constant('where', a, like) : a
  const y = typeof b === 'number' ? constant('where', b, like) : b
  expectTensor('where', 'b', y)
  expectSameDType('where', x, y)
  const shape = broadcastShapes('where', condition.shape, broadcastShapes('where', x.shape, y.shape))
  const result = run('where', [condition, x, y], { shape, dtype: x.dtype, gradient: whereGradient })
  if (x !== a) x.dispose()
  if (y !== b) y.dispose()
  return result
}

/** A number as a scalar tensor of the dtype and device of `like`. */
function constant(name: string, value: number, like: Tensor): Tensor {
  if (!isFloat(like.dtype)) expectInteger(name, value, like.dtype)
  return run('fill', [], { shape: [], dtype: like.dtype, attributes: { value }, device: like.deviceIndex })
}
