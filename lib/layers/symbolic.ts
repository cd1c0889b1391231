// The graph that layers applied to symbolic tensors draw: which layer gave a tensor, and from which others.
import type { SymbolicTensor } from '../tensor'
import type { Layer } from './layer'

/** One use of a layer: what went in and what came out. */
export interface LayerNode {
  layer: Layer
  inputs: readonly SymbolicTensor[]
  output: SymbolicTensor
}

const nodes = new WeakMap<SymbolicTensor, LayerNode>()

/** Notes where a symbolic tensor comes from. */
export function addNode(node: LayerNode): SymbolicTensor {
  nodes.set(node.output, node)
  return node.output
}

/** Where a symbolic tensor comes from; every one comes from a layer, the first ones from `input()`. */
export function nodeOf(tensor: SymbolicTensor): LayerNode {
  return nodes.get(tensor)!
}
