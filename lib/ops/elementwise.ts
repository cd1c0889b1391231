// Elementwise ops: arithmetic and comparison with NumPy broadcasting, functions of one operand, activations, casts.
import { ArgumentError, DTypeError, failure, ShapeError, show } from '../errors'
import type { DType } from '../native'
import { type Attributes, expectTensor, run } from '../op'
import { scope } from '../scope'
import { type Gradient, isFloat, type TapeNode } from '../tape'
import { alias, checkDType, type Tensor } from '../tensor'
import {
  broadcast,
  broadcastShapes,
  expectDType,
  expectNumber,
  expectSameDType,
  floats,
  floatsAndInt32,
  numbers,
  unbroadcast
} from './shape'

/** An operand: a tensor, or a number that takes the dtype of the other operand. */
export type Operand = Tensor | number

// ---- Two operands

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
  if (!isFloat(x.dtype) && !Number.isInteger(scalar)) {
    throw failure(DTypeError, name, `expected an integer beside a tensor of dtype ${x.dtype}, received ${show(scalar)}: use cast`)
  }
  return run(name, inputs, { shape: x.shape, dtype: out ?? x.dtype, attributes: { scalar }, gradient })
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
 * @throws ShapeError if the shapes do not broadcast; DTypeError if the dtypes differ
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

/** not x, for bool. */
export function logicalNot(x: Tensor): Tensor {
  return unary('logicalNot', x, bools)
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
  if (!isFloat(like.dtype) && !Number.isInteger(value)) {
    throw failure(DTypeError, name, `expected an integer beside a tensor of dtype ${like.dtype}, received ${show(value)}: use cast`)
  }
  return run('fill', [], { shape: [], dtype: like.dtype, attributes: { value }, device: like.deviceIndex })
}

// ---- One operand

function unary(name: string, x: Tensor, allowed: readonly DType[], gradient?: Gradient, attributes?: Attributes): Tensor {
  expectTensor(name, 'x', x)
  if (!allowed.includes(x.dtype)) expectDType(name, 'x', x, allowed)
  return run(name, [x], { shape: x.shape, dtype: x.dtype, attributes, gradient })
}

/** A gradient from dy and the operand (0) or the result (1). */
const fromX =
  (f: (dy: Tensor, x: Tensor) => Tensor): Gradient =>
  (dy, { inputs }) => [() => f(dy, inputs[0]!)]
const fromY =
  (f: (dy: Tensor, y: Tensor) => Tensor): Gradient =>
  (dy, { outputs }) => [() => f(dy, outputs[0]!)]

/** The gradient op of a function: one pass over dy and x (or y), which is not differentiated again unless `again` says how. */
function gradientOp(name: string, dy: Tensor, xy: Tensor, attributes?: Attributes, again: Gradient = onlyOnce(name)): Tensor {
  return run(name, [dy, xy], { shape: dy.shape, dtype: dy.dtype, attributes, gradient: again })
}

/** The gradient of an op that cannot be differentiated twice. */
export function onlyOnce(name: string): Gradient {
  return () => {
    throw failure(ArgumentError, name, `expected at most a first derivative: ${name.replace(/Grad$/, '')} cannot be differentiated twice`)
  }
}

const negGradient: Gradient = (dy) => [() => neg(dy)]
const absGradient = fromX((dy, x) => mul(dy, sign(x)))
const squareGradient = fromX((dy, x) => mul(mul(dy, x), 2))
const reciprocalGradient = fromY((dy, y) => neg(mul(dy, square(y))))
const expGradient = fromY((dy, y) => mul(dy, y))
const expm1Gradient = fromY((dy, y) => mul(dy, add(y, 1)))
const logGradient = fromX((dy, x) => div(dy, x))
const log1pGradient = fromX((dy, x) => div(dy, add(x, 1)))
const sqrtGradient = fromY((dy, y) => div(mul(dy, 0.5), y))
const rsqrtGradient = fromY((dy, y) => mul(mul(dy, -0.5), mul(square(y), y)))
const sinGradient = fromX((dy, x) => mul(dy, cos(x)))
const cosGradient = fromX((dy, x) => neg(mul(dy, sin(x))))
const tanGradient = fromY((dy, y) => mul(dy, add(square(y), 1)))
const erfGradient = fromX((dy, x) => gradientOp('erfGrad', dy, x))
const logSigmoidGradient = fromX((dy, x) => mul(dy, sigmoid(neg(x))))
const softplusGradient = fromX((dy, x) => gradientOp('softplusGrad', dy, x))
const softsignGradient = fromX((dy, x) => gradientOp('softsignGrad', dy, x))
const seluGradient = fromX((dy, x) => gradientOp('seluGrad', dy, x))
const siluGradient = fromX((dy, x) => gradientOp('siluGrad', dy, x))
const hardSigmoidGradient = fromX((dy, x) => gradientOp('hardSigmoidGrad', dy, x))
const castGradient: Gradient = (dy, { inputs }) => [isFloat(inputs[0]!.dtype) ? () => cast(dy, inputs[0]!.dtype) : null]
const copyGradient: Gradient = (dy) => [() => dy]

const tanhGradient = fromY(tanhGrad)
function tanhGrad(dy: Tensor, y: Tensor): Tensor {
  // d (dy (1 - y²)): by dy again tanhGrad, by y -2 y dy.
  return gradientOp('tanhGrad', dy, y, undefined, (ddy) => [() => tanhGrad(ddy, y), () => mul(mul(ddy, mul(dy, y)), -2)])
}

const sigmoidGradient = fromY(sigmoidGrad)
function sigmoidGrad(dy: Tensor, y: Tensor): Tensor {
  // d (dy y (1 - y)): by dy again sigmoidGrad, by y dy (1 - 2 y).
  return gradientOp('sigmoidGrad', dy, y, undefined, (ddy) => [() => sigmoidGrad(ddy, y), () => mul(ddy, mul(dy, sub(1, mul(y, 2))))])
}

const reluGradient = fromY(reluGrad)
function reluGrad(dy: Tensor, y: Tensor): Tensor {
  return gradientOp('reluGrad', dy, y, undefined, (ddy) => [() => reluGrad(ddy, y), null])
}

function leakyReluGrad(dy: Tensor, x: Tensor, attributes: Attributes): Tensor {
  return gradientOp('leakyReluGrad', dy, x, attributes, (ddy) => [() => leakyReluGrad(ddy, x, attributes), null])
}

function clipGrad(dy: Tensor, x: Tensor, attributes: Attributes): Tensor {
  return gradientOp('clipGrad', dy, x, attributes, (ddy) => [() => clipGrad(ddy, x, attributes), null])
}

/** -x */
export function neg(x: Tensor): Tensor {
  return unary('neg', x, floatsAndInt32, negGradient)
}

/** |x| */
export function abs(x: Tensor): Tensor {
  return unary('abs', x, floatsAndInt32, absGradient)
}

/** -1, 0 or 1; NaN stays NaN. Nothing flows back. */
export function sign(x: Tensor): Tensor {
  return unary('sign', x, floatsAndInt32)
}

/** x² */
export function square(x: Tensor): Tensor {
  return unary('square', x, floatsAndInt32, squareGradient)
}

/** 1 / x */
export function reciprocal(x: Tensor): Tensor {
  return unary('reciprocal', x, floats, reciprocalGradient)
}

/** e to the power of x */
export function exp(x: Tensor): Tensor {
  return unary('exp', x, floats, expGradient)
}

/** eˣ - 1, exact near 0 */
export function expm1(x: Tensor): Tensor {
  return unary('expm1', x, floats, expm1Gradient)
}

/** Natural logarithm */
export function log(x: Tensor): Tensor {
  return unary('log', x, floats, logGradient)
}

/** ln(1 + x), exact near 0 */
export function log1p(x: Tensor): Tensor {
  return unary('log1p', x, floats, log1pGradient)
}

/** Square root */
export function sqrt(x: Tensor): Tensor {
  return unary('sqrt', x, floats, sqrtGradient)
}

/** 1 / √x */
export function rsqrt(x: Tensor): Tensor {
  return unary('rsqrt', x, floats, rsqrtGradient)
}

/** Sine of radians */
export function sin(x: Tensor): Tensor {
  return unary('sin', x, floats, sinGradient)
}

/** Cosine of radians */
export function cos(x: Tensor): Tensor {
  return unary('cos', x, floats, cosGradient)
}

/** Tangent of radians */
export function tan(x: Tensor): Tensor {
  return unary('tan', x, floats, tanGradient)
}

/** Hyperbolic tangent */
export function tanh(x: Tensor): Tensor {
  return unary('tanh', x, floats, tanhGradient)
}

/** Error function 2/√π ∫₀ˣ exp(-t²) dt */
export function erf(x: Tensor): Tensor {
  return unary('erf', x, floats, erfGradient)
}

/** The largest integer that is not larger. Nothing flows back. */
export function floor(x: Tensor): Tensor {
  return unary('floor', x, floats)
}

/** The smallest integer that is not smaller. Nothing flows back. */
export function ceil(x: Tensor): Tensor {
  return unary('ceil', x, floats)
}

/** The nearest integer, a half to the even one. Nothing flows back. */
export function round(x: Tensor): Tensor {
  return unary('round', x, floats)
}

/** 1 / (1 + e⁻ˣ) */
export function sigmoid(x: Tensor): Tensor {
  return unary('sigmoid', x, floats, sigmoidGradient)
}

/** ln sigmoid(x) = -softplus(-x) */
export function logSigmoid(x: Tensor): Tensor {
  return unary('logSigmoid', x, floats, logSigmoidGradient)
}

/** ln(1 + eˣ) */
export function softplus(x: Tensor): Tensor {
  return unary('softplus', x, floats, softplusGradient)
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return unary('softsign', x, floats, softsignGradient)
}

/** max(x, 0); NaN stays NaN */
export function relu(x: Tensor): Tensor {
  return unary('relu', x, floats, reluGradient)
}

/** min(max(x, 0), 6) */
export function relu6(x: Tensor): Tensor {
  return bounded('relu6', x, 0, 6)
}

/** x where x > 0, else negativeSlope · x (0.2 as in Keras) */
export function leakyRelu(x: Tensor, { negativeSlope = 0.2 }: { negativeSlope?: number | undefined } = {}): Tensor {
  const attributes = { negativeSlope: expectNumber('leakyRelu', 'negativeSlope', negativeSlope) }
  return unary('leakyRelu', x, floats, (dy, { inputs }) => [() => leakyReluGrad(dy, inputs[0]!, attributes)], attributes)
}

/** x where x > 0, else alpha (eˣ - 1) */
export function elu(x: Tensor, { alpha = 1 }: { alpha?: number | undefined } = {}): Tensor {
  const attributes = { alpha: expectNumber('elu', 'alpha', alpha) }
  return unary('elu', x, floats, (dy, { inputs }) => [() => gradientOp('eluGrad', dy, inputs[0]!, attributes)], attributes)
}

/** 1.0507009873554805 · elu(x) with alpha 1.6732632423543772 (Klambauer et al. 2017) */
export function selu(x: Tensor): Tensor {
  return unary('selu', x, floats, seluGradient)
}

/** x Φ(x) with the normal distribution function Φ; `approximate`: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel 2016) */
export function gelu(x: Tensor, { approximate = false }: { approximate?: boolean | undefined } = {}): Tensor {
  const attributes = { approximate }
  return unary('gelu', x, floats, (dy, { inputs }) => [() => gradientOp('geluGrad', dy, inputs[0]!, attributes)], attributes)
}

/** x · sigmoid(x) */
export function silu(x: Tensor): Tensor {
  return unary('silu', x, floats, siluGradient)
}

/** min(max(x / 6 + 1/2, 0), 1) */
export function hardSigmoid(x: Tensor): Tensor {
  return unary('hardSigmoid', x, floats, hardSigmoidGradient)
}

/**
 * min(max(x, low), high); NaN stays NaN.
 * @throws ArgumentError if low > high or one is NaN
 */
export function clip(x: Tensor, low: number, high: number): Tensor {
  expectNumber('clip', 'low', low)
  expectNumber('clip', 'high', high)
  if (low > high) throw failure(ArgumentError, 'clip', `expected low to be at most high, received ${low} and ${high}`)
  return bounded('clip', x, low, high)
}

function bounded(name: string, x: Tensor, low: number, high: number): Tensor {
  const attributes = { low, high }
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, floatsAndInt32)
  return unary('clip', x, floatsAndInt32, (dy, { inputs }) => [() => clipGrad(dy, inputs[0]!, attributes)], attributes)
}

function test(name: string, x: Tensor): Tensor {
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, floats)
  return run(name, [x], { shape: x.shape, dtype: 'bool' })
}

/** Where x is NaN, as bool. */
export function isNan(x: Tensor): Tensor {
  return test('isNan', x)
}

/** Where x is infinite, as bool. */
export function isInf(x: Tensor): Tensor {
  return test('isInf', x)
}

/** Where x is neither NaN nor infinite, as bool. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the name of the op
export function isFinite(x: Tensor): Tensor {
  return test('isFinite', x)
}

/**
 * x as another dtype. Float to integer truncates toward zero and saturates, NaN gives 0; to bool, what is not 0 is true.
 * @throws DTypeError for an unknown dtype
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  expectTensor('cast', 'x', x)
  checkDType('cast', dtype)
  if (dtype === x.dtype) return run('copy', [x], { shape: x.shape, dtype, gradient: copyGradient })
  return run('cast', [x], { shape: x.shape, dtype, gradient: isFloat(dtype) ? castGradient : undefined })
}

/** A copy with memory of its own. */
export function copy(x: Tensor): Tensor {
  expectTensor('copy', 'x', x)
  return run('copy', [x], { shape: x.shape, dtype: x.dtype, gradient: copyGradient })
}

/** x itself under a handle of its own, through which no gradient flows. */
export function stopGradient(x: Tensor): Tensor {
  expectTensor('stopGradient', 'x', x)
  return alias(x, x.shape)
}

/**
 * x repeated to a shape that it broadcasts to.
 * @throws ShapeError
 */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  expectTensor('broadcastTo', 'x', x)
  const target = broadcastShapes('broadcastTo', x.shape, shape)
  if (target.length !== shape.length || target.some((dim, i) => dim !== shape[i] && !Number.isNaN(dim))) {
    throw failure(ShapeError, 'broadcastTo', `expected a shape that ${show(x.shape)} broadcasts to, received ${show(shape)}`)
  }
  const result = broadcast(x, target)
  return result === x ? copy(x) : result
}
