// Softmax and its logarithm along an axis.
import { expectTensor, run } from '../op'
import type { Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { mul, sub } from './elementwise-binary'
import { exp, neg } from './elementwise-unary'
import { sum } from './reduce'
import { checkAxis, expectDType, floats } from './rules'

function normalize(name: 'softmax' | 'logSoftmax', x: Tensor, axis: number, gradient: Gradient): Tensor {
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, floats)
  return run(name, [x], { shape: x.shape, dtype: x.dtype, attributes: { axis: checkAxis(name, axis, x.rank) }, gradient })
}

const softmaxGradient: Gradient = (dy, { outputs, attributes }) => [() => softmaxGrad(dy, outputs[0]!, attributes.axis as number)]

/** dx = y (dy - Σ dy y) */
function softmaxGrad(dy: Tensor, y: Tensor, axis: number): Tensor {
  const gradient: Gradient = (ddx) => [
    () => softmaxGrad(ddx, y, axis),
    // By y: ddx (dy - Σ dy y) - dy Σ ddx y.
    () => sub(mul(ddx, sub(dy, sum(mul(dy, y), axis, { keepdims: true }))), mul(dy, sum(mul(ddx, y), axis, { keepdims: true })))
  ]
  return run('softmaxGrad', [dy, y], { shape: y.shape, dtype: y.dtype, attributes: { axis }, gradient })
}

const logSoftmaxGradient: Gradient = (dy, { outputs, attributes }) => [() => logSoftmaxGrad(dy, outputs[0]!, attributes.axis as number)]

/** dx = dy - e^y Σ dy */
function logSoftmaxGrad(dy: Tensor, y: Tensor, axis: number): Tensor {
  const gradient: Gradient = (ddx) => [
    // By dy: ddx - Σ ddx e^y; by y: -e^y ddx Σ dy.
    () => sub(ddx, sum(mul(ddx, exp(y)), axis, { keepdims: true })),
    () => neg(mul(mul(exp(y), ddx), sum(dy, axis, { keepdims: true })))
  ]
  return run('logSoftmaxGrad', [dy, y], { shape: y.shape, dtype: y.dtype, attributes: { axis }, gradient })
}

/** eˣ / Σ eˣ along `axis`. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return normalize('softmax', x, axis, softmaxGradient)
}

/** x - ln Σ eˣ along `axis`. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return normalize('logSoftmax', x, axis, logSoftmaxGradient)
}
