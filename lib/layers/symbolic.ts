// The graph that layers applied to symbolic tensors draw: which layer gave a tensor, and from which others.
import { leavesOf, type Structure } from '../structure'
import { SymbolicTensor, Tensor } from '../tensor'
import type { AnyLayer } from './layer'

/** One use of a layer: what went in and what came out. */
export interface LayerNode {
  /** Grows with every node: inputs have smaller numbers than what is computed from them. */
  readonly id: number
  readonly layer: AnyLayer
  readonly inputs: Structure<SymbolicTensor>
  readonly outputs: Structure<SymbolicTensor>
}

let nodes = 0

/** Notes a use of a layer; `outputs` makes the symbolic tensors of the node. */
export function makeNode(
  layer: AnyLayer,
  inputs: Structure<SymbolicTensor>,
  outputs: (node: LayerNode) => Structure<SymbolicTensor>
): LayerNode {
  const node = { id: ++nodes, layer, inputs, outputs: [] as Structure<SymbolicTensor> }
  node.outputs = outputs(node)
  return node
}

/** Whether a value is symbolic: a tensor of that kind, or an array or record with one. */
export function isSymbolic(x: unknown): x is Structure<SymbolicTensor> {
  if (x instanceof Tensor) return false
  return leavesOf(x).some((value) => value instanceof SymbolicTensor)
}
