// Activations that matrix products and convolutions apply while they store their result, and the way back through them.
import { ArgumentError, failure, show } from '../errors'
import { runAll } from '../op'
import { watching } from '../tape'
import type { Tensor } from '../tensor'
import { greater, mul, sub } from './elementwise-binary'
import { cast, square } from './elementwise-unary'

/** Activations that matmul and conv apply to their result while they store it. */
export type FusedActivation = 'none' | 'relu' | 'sigmoid' | 'tanh'
/** By their numbers in native/tensor.h. */
const activations: readonly FusedActivation[] = ['none', 'relu', 'sigmoid', 'tanh']

/** @throws ArgumentError unless `activation` is one of them */
export function fusedCode(op: string, activation: FusedActivation): number {
  const code = activations.indexOf(activation)
  if (code < 0) throw failure(ArgumentError, op, `expected activation to be one of ${activations.join(', ')}, received ${show(activation)}`)
  return code
}

/** f'(x) of y = f(x) by the number of f, in ops that can be differentiated again. */
const derivatives: Readonly<Record<number, (y: Tensor) => Tensor>> = {
  1: (y) => cast(greater(y, 0), y.dtype),
  2: (y) => mul(y, sub(1, y)),
  3: (y) => sub(1, square(y))
}

/** The gradient before the activation, of dy behind it and its result y; and the bias's, where that was a by-product. */
export function beforeActivation(dy: Tensor, y: Tensor, activation: number): { dz: Tensor; db?: Tensor } {
  if (activation === 0) return { dz: dy }
  // An outer tape will differentiate this gradient.
  if (watching) return { dz: mul(dy, derivatives[activation]!(y)) }
  const [dz, db] = runAll('biasActivationGrad', [dy, y], {
    outputs: [
      { shape: y.shape, dtype: y.dtype },
      { shape: y.shape.slice(-1), dtype: y.dtype }
    ],
    attributes: { activation }
  })
  return { dz: dz!, db: db! }
}
