// Gradients of activations, one op each: one pass over dy and the operand (or the result).
import { type Attributes, run } from '../op'
import type { Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { mul, sub } from './elementwise-binary'

/** The gradient op of a function: one pass over dy and x (or y). `again`: its own gradient. */
export function gradientOp(name: string, dy: Tensor, xy: Tensor, attributes?: Attributes, again?: Gradient): Tensor {
  return run(name, [dy, xy], { shape: dy.shape, dtype: dy.dtype, attributes, gradient: again })
}

export function tanhGrad(dy: Tensor, y: Tensor): Tensor {
  // d (dy (1 - y²)): by dy again tanhGrad, by y -2 y dy.
  return gradientOp('tanhGrad', dy, y, undefined, (ddy) => [() => tanhGrad(ddy, y), () => mul(mul(ddy, mul(dy, y)), -2)])
}

export function sigmoidGrad(dy: Tensor, y: Tensor): Tensor {
  // d (dy y (1 - y)): by dy again sigmoidGrad, by y dy (1 - 2 y).
  return gradientOp('sigmoidGrad', dy, y, undefined, (ddy) => [() => sigmoidGrad(ddy, y), () => mul(ddy, mul(dy, sub(1, mul(y, 2))))])
}

export function reluGrad(dy: Tensor, y: Tensor): Tensor {
  return gradientOp('reluGrad', dy, y, undefined, (ddy) => [() => reluGrad(ddy, y), null])
}
