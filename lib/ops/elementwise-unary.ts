// Elementwise ops of one operand: the usual functions, activations, casts and copies.
import { booleanOption, optionsOf } from '../arguments'
import { ArgumentError, failure } from '../errors'
import type { DType } from '../native'
import { type Attributes, expectTensor, run } from '../op'
import { checkDType } from '../shape'
import { type Gradient, isFloat, watching } from '../tape'
import { alias, type Tensor } from '../tensor'
import { gradientOp, reluGrad, sigmoidGrad, tanhGrad } from './activation-grad'
import { add, div, greater, less, minimum, mul, sub } from './elementwise-binary'
import { expectDType, expectNumber, floats, floatsAndInt32 } from './rules'

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

/** The gradient of a function of x by its op, or, where an outer tape watches, by its derivative `slope` in ops of many derivatives. */
function slopeOp(name: string, slope: (x: Tensor) => Tensor, attributes?: Attributes): Gradient {
  return fromX((dy, x) => (watching ? mul(dy, slope(x)) : gradientOp(name, dy, x, attributes)))
}

/** The derivative of x where x > 0, else alpha (eˣ - 1). */
function exponentialSlope(x: Tensor, alpha: number): Tensor {
  const positive = cast(greater(x, 0), x.dtype)
  return add(positive, mul(sub(1, positive), mul(exp(minimum(x, 0)), alpha)))
}

function geluSlope(x: Tensor): Tensor {
  const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return add(mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5), mul(x, density))
}

function approximateGeluSlope(x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI)
  const t = tanh(mul(add(x, mul(mul(square(x), x), 0.044715)), c))
  const inner = mul(add(mul(square(x), 3 * 0.044715), 1), c)
  return mul(add(add(t, 1), mul(mul(x, sub(1, square(t))), inner)), 0.5)
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
const erfGradient = slopeOp('erfGrad', (x) => mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)))
const logSigmoidGradient = fromX((dy, x) => mul(dy, sigmoid(neg(x))))
const softplusGradient = slopeOp('softplusGrad', sigmoid)
const softsignGradient = slopeOp('softsignGrad', (x) => square(reciprocal(add(abs(x), 1))))
/** Klambauer et al., 2017. */
const selus = { scale: 1.0507009873554805, alpha: 1.6732632423543772 }
const seluGradient = slopeOp('seluGrad', (x) => mul(exponentialSlope(x, selus.alpha), selus.scale))
const siluGradient = slopeOp('siluGrad', (x) => {
  const s = sigmoid(x)
  return add(s, mul(mul(x, s), sub(1, s)))
})
const hardSigmoidGradient = slopeOp('hardSigmoidGrad', (x) => mul(cast(less(abs(x), 3), x.dtype), 1 / 6))
const castGradient: Gradient = (dy, { inputs }) => [isFloat(inputs[0]!.dtype) ? () => cast(dy, inputs[0]!.dtype) : null]
const copyGradient: Gradient = (dy) => [() => dy]

const tanhGradient = fromY(tanhGrad)
const sigmoidGradient = fromY(sigmoidGrad)
const reluGradient = fromY(reluGrad)

function leakyReluGrad(dy: Tensor, x: Tensor, attributes: Attributes): Tensor {
  return gradientOp('leakyReluGrad', dy, x, attributes, (ddy) => [() => leakyReluGrad(ddy, x, attributes), null])
}

function clipGrad(dy: Tensor, x: Tensor, attributes: Attributes): Tensor {
  return gradientOp('clipGrad', dy, x, attributes, (ddy) => [() => clipGrad(ddy, x, attributes), null])
}

/** not x, for bool. */
export function logicalNot(x: Tensor): Tensor {
  return unary('logicalNot', x, ['bool'])
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
export function leakyRelu(x: Tensor, options?: { negativeSlope?: number | undefined }): Tensor {
  const { negativeSlope = 0.2 } = optionsOf('leakyRelu', options, { negativeSlope: 'optional' })
  const attributes = { negativeSlope: expectNumber('leakyRelu', 'negativeSlope', negativeSlope) }
  return unary('leakyRelu', x, floats, (dy, { inputs }) => [() => leakyReluGrad(dy, inputs[0]!, attributes)], attributes)
}

/** x where x > 0, else alpha (eˣ - 1) */
export function elu(x: Tensor, options?: { alpha?: number | undefined }): Tensor {
  const { alpha = 1 } = optionsOf('elu', options, { alpha: 'optional' })
  const attributes = { alpha: expectNumber('elu', 'alpha', alpha) }
  const slope = slopeOp('eluGrad', (t) => exponentialSlope(t, attributes.alpha), attributes)
  return unary('elu', x, floats, slope, attributes)
}

/** 1.0507009873554805 · elu(x) with alpha 1.6732632423543772 (Klambauer et al. 2017) */
export function selu(x: Tensor): Tensor {
  return unary('selu', x, floats, seluGradient)
}

/** x Φ(x) with the normal distribution function Φ; `approximate`: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel 2016) */
export function gelu(x: Tensor, options?: { approximate?: boolean | undefined }): Tensor {
  const { approximate = false } = optionsOf('gelu', options, { approximate: 'optional' })
  const attributes = { approximate: booleanOption('gelu', 'approximate', approximate) }
  return unary('gelu', x, floats, slopeOp('geluGrad', approximate ? approximateGeluSlope : geluSlope, attributes), attributes)
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
 * x as another dtype. Float to integer truncates toward zero and saturates, NaN gives 0; int32 to uint8 keeps the low 8 bits, as in NumPy;
 * to bool, what is not 0 is true.
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
