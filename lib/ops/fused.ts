// Activations that matrix products and convolutions apply while they store their result, and the way back through them.
import { ArgumentError, failure, show } from '../errors'
import { runAll } from '../op'
import { watching } from '../tape'
import type { Tensor } from '../tensor'
import { reluGrad, sigmoidGrad, tanhGrad } from './activation-grad'

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

/** The gradient from dy and the result by the number of the activation, in ops that can be differentiated again. */
const gradients: Readonly<Record<number, (dy: Tensor, y: Tensor) => Tensor>> = { 1: reluGrad, 2: sigmoidGrad, 3: tanhGrad }

/** The gradient before the activation, of dy behind it and its result y; and the bias's, where that was a by-product. */
export function beforeActivation(dy: Tensor, y: Tensor, activation: number): { dz: Tensor; db?: Tensor } {
  if (activation === 0) return { dz: dy }
  // An outer tape will differentiate this gradient.
  if (watching) return { dz: gradients[activation]!(dy, y) }
  const [dz, db] = runAll('biasActivationGrad', [dy, y], {
    outputs: [
      { shape: y.shape, dtype: y.dtype },
      { shape: y.shape.slice(-1), dtype: y.dtype }
    ],
    attributes: { activation }
  })
  return { dz: dz!, db: db! }
}
