// Activations that matrix products and convolutions apply while they store their result, and the way back through them.
import { ArgumentError, failure, show } from '../errors'
import { runAll } from '../op'
import { onlyOnce } from '../tape'
import type { Tensor } from '../tensor'

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

/** The gradient before the activation, of dy behind it and its result y; and the bias's, where that was a by-product. */
export function beforeActivation(op: string, dy: Tensor, y: Tensor, activation: number): { dz: Tensor; db?: Tensor } {
  if (activation === 0) return { dz: dy }
  const [dz, db] = runAll('biasActivationGrad', [dy, y], {
    outputs: [
      { shape: y.shape, dtype: y.dtype },
      { shape: y.shape.slice(-1), dtype: y.dtype }
    ],
    attributes: { activation },
    gradient: onlyOnce(`${op} with an activation`)
  })
  return { dz: dz!, db: db! }
}
