// Second derivatives of ops whose gradient is an op of its own: under an outer tape the gradient is that of the same function, composed of ops
// that can be differentiated any number of times.
import { type Gradient, isFloat, type TapeNode, type Thunk, valueAndGrad, watching } from '../tape'
import type { Tensor } from '../tensor'
import { mul } from './elementwise-binary'
import { cast } from './elementwise-unary'
import { sum } from './reduce'

/** `gradient`, or, where an outer tape watches it, the gradient of the first output as `composed` computes it from the node's inputs, in float32. */
export function fusedGradient(gradient: Gradient, composed: (node: TapeNode) => Tensor): Gradient {
  return (dy, node) => (watching ? composedGradient(dy, node, composed) : gradient(dy, node))
}

function composedGradient(dy: Tensor, node: TapeNode, composed: (node: TapeNode) => Tensor): readonly (Thunk | null)[] {
  // An operand that occurs several times gets the gradient of all its uses once.
  const operands = [...new Set(node.inputs)].filter((x): x is Tensor => x != null && isFloat(x.dtype))
  let grads: Tensor[] | undefined
  const all = (): Tensor[] => {
    grads ??= valueAndGrad(() => sum(mul(composed(node), cast(dy, 'float32'))), operands).grads
    return grads
  }
  return node.inputs.map((x, i) => {
    if (x == null || !isFloat(x.dtype) || node.inputs.indexOf(x) < i) return null
    return () => all()[operands.indexOf(x)]!
  })
}
