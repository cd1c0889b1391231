// Which uses of layers in a graph become one op, chosen when the graph is made; and how such a group is computed.
//
// Fused are: a product (dense or convolution) or a batch normalisation with the activation behind it; a batch normalisation with the sum
// and relu behind it, the end of a residual block; and, outside of training, a product with the batch normalisation behind it, whose scale
// and shift become part of the product's weights (where the end of a residual block follows, only of a convolution); a convolution with the sum and
// the activation behind it, or with its activation and the maximum pooling behind that, also behind a batch normalisation that becomes part of its
// weights. In training a convolution, with its activation, takes the moments for the batch normalisation behind it. Nothing else may read what is
// between them.
import { inDType } from '../dtype'
import type { BatchNormalization } from '../layers/batch-normalization'
import type { FusedPart } from '../layers/fusion'
import type { LayerInput } from '../layers/layer'
import type { CallContext, PartialShape } from '../layers/options'
import { registry } from '../layers/serialization'
import type { LayerNode } from '../layers/symbolic'
import type { FusedActivation } from '../ops/fused'
import type { PoolOptions } from '../ops/pool'
import { leavesOf, type Structure } from '../structure'
import type { SymbolicTensor, Tensor } from '../tensor'

/** Uses of layers that are computed together, in their order; a use alone is a group too. */
export interface Group {
  readonly nodes: readonly LayerNode[]
  /** The batch normalisation behind a product. */
  readonly normalization?: LayerNode | undefined
  /** The activation between the two; `none`: there is none, so that the normalisation can be folded into the product's weights. */
  readonly inner?: FusedActivation | undefined
  /** Whether the product can take the sum: that of a `conv`. */
  readonly conv?: boolean | undefined
  /** The sum behind a convolution or batch normalisation: which of its inputs that is, and the other one. */
  readonly sum?: { readonly node: LayerNode; readonly at: number; readonly residual: SymbolicTensor } | undefined
  /** The activation at the end, or in front of the pooling there. */
  readonly activation?: FusedActivation | undefined
  /** The pooling at the end. */
  readonly pool?: { readonly node: LayerNode; readonly options: PoolOptions } | undefined
}

/** Finds the groups. Each stands at the place of its last use, where all that it needs is there. */
export function fuse(nodes: readonly LayerNode[], outputs: readonly SymbolicTensor[]): Group[] {
  const readers = new Map<SymbolicTensor, LayerNode[]>()
  for (const node of nodes) for (const t of leavesOf(node.inputs)) readers.set(t, [...(readers.get(t) ?? []), node])
  const fused = new Set<LayerNode>()
  /** What alone reads the output of a node, if it can be part of the same op. */
  const behind = (node: LayerNode): Part | undefined => {
    const [output] = leavesOf(node.outputs)
    const [reader, ...others] = readers.get(output!) ?? []
    if (reader === undefined || others.length > 0 || outputs.includes(output!) || fused.has(reader)) return undefined
    return reader.layer.computeDType === node.layer.computeDType ? partOf(reader) : undefined
  }
  const groups = new Map<LayerNode, Group>()
  for (const node of nodes) {
    if (fused.has(node)) continue
    const group = groupFrom(node, behind)
    for (const member of group.nodes) fused.add(member)
    groups.set(group.nodes.at(-1)!, group)
  }
  return nodes.flatMap((node) => groups.get(node) ?? [])
}

interface Part {
  readonly node: LayerNode
  readonly part: FusedPart
}

/** The part that a use of a layer can take, unless more happens in it than the library's own `call`. */
function partOf(node: LayerNode): Part | undefined {
  const { layer } = node
  // A subclass of the user's own may change any part of what `call` does.
  if (!registry.has(layer.constructor) || Object.hasOwn(layer, 'call') || layer.hasActivityRegularizer) return undefined
  const [output] = leavesOf(node.outputs)
  const part = layer.fusedPart(output!.rank)
  // A group is computed at the place of its last use: of several uses of one layer the order decides what its moving statistics become.
  return part === undefined || (part.kind === 'normalization' && layer.useCount > 1) ? undefined : { node, part }
}

function groupFrom(node: LayerNode, behind: (node: LayerNode) => Part | undefined): Group {
  const alone = { nodes: [node] }
  const part = partOf(node)?.part
  if (part?.kind === 'normalization') return normalizationFrom(node, behind) ?? alone
  if (part?.kind !== 'product') return alone
  const next = behind(node)
  const { conv } = part
  const pooled = conv ? poolingBehind(next) : undefined
  if (pooled) return { nodes: [node, pooled.node], pool: pooled }
  if (next === undefined) return alone
  if (next.part.kind === 'normalization') return normalizedFrom([node], part, next.node, behind) ?? alone
  if (part.activation !== 'none') return alone
  if (next.part.kind === 'sum') return (conv ? summedFrom(node, next.node, behind) : undefined) ?? alone
  if (next.part.kind !== 'activation') return alone
  const { activation } = next.part
  const last = behind(next.node)
  const normalized =
    last?.part.kind === 'normalization' ? normalizedFrom([node, next.node], { ...part, activation }, last.node, behind) : undefined
  if (normalized) return normalized
  const pool = conv ? poolingBehind(last) : undefined
  return { nodes: [node, next.node, ...(pool ? [pool.node] : [])], activation, pool }
}

/** A convolution with the sum behind it, and the activation behind that. */
function summedFrom(node: LayerNode, sumNode: LayerNode, behind: (node: LayerNode) => Part | undefined): Group | undefined {
  const sum = sumOf(sumNode, node)
  if (sum === undefined) return undefined
  const last = behind(sumNode)
  if (last?.part.kind !== 'activation') return { nodes: [node, sumNode], sum }
  return { nodes: [node, sumNode, last.node], sum, activation: last.part.activation }
}

/** A product with its activation and the batch normalisation behind both; undefined if nothing is gained. */
function normalizedFrom(
  product: readonly LayerNode[],
  { activation: inner, conv }: { activation: FusedActivation; conv: boolean },
  normalization: LayerNode,
  behind: (node: LayerNode) => Part | undefined
): Group | undefined {
  // Behind an activation there is nothing to fold, only moments to take.
  if (inner !== 'none' && product[0]!.layer.callMoments === undefined) return undefined
  const { nodes, ...rest }: Group = normalizationFrom(normalization, behind) ?? { nodes: [normalization] }
  const pool = conv && inner === 'none' && rest.sum === undefined ? poolingBehind(behind(nodes.at(-1)!)) : undefined
  return { nodes: [...product, ...nodes, ...(pool ? [pool.node] : [])], normalization, inner, conv, ...rest, pool }
}

function poolingBehind(next: Part | undefined): Group['pool'] {
  return next?.part.kind === 'pool' ? { node: next.node, options: next.part.pool } : undefined
}

function normalizationFrom(node: LayerNode, behind: (node: LayerNode) => Part | undefined): Group | undefined {
  const next = behind(node)
  if (next === undefined) return undefined
  if (isRelu(next)) return { nodes: [node, next.node], activation: 'relu' }
  const sum = next.part.kind === 'sum' ? sumOf(next.node, node) : undefined
  if (sum === undefined) return undefined
  const last = behind(next.node)
  if (last === undefined || !isRelu(last)) return { nodes: [node, next.node], sum }
  return { nodes: [node, next.node, last.node], sum, activation: 'relu' }
}

function isRelu({ part }: Part): boolean {
  return part.kind === 'activation' && part.activation === 'relu'
}

/** A sum of the output of `node` and a tensor of the same shape; undefined if it may broadcast. */
function sumOf(sum: LayerNode, node: LayerNode): Group['sum'] {
  const inputs = leavesOf(sum.inputs)
  const [output] = leavesOf(node.outputs)
  const at = inputs.indexOf(output!)
  const residual = inputs[1 - at]
  if (inputs.length !== 2 || residual === undefined || residual.rank !== output!.rank) return undefined
  const isSame = residual.shape.every((size, i) => size === output!.shape[i] && (i === 0 || size !== null))
  return isSame ? { node: sum, at, residual } : undefined
}

/** Computes a group; `logits`: without the activation at its end. */
export function computeGroup(
  { nodes, normalization, inner, conv, sum, activation, pool }: Group,
  input: LayerInput,
  residual: Tensor | undefined,
  context: CallContext,
  logits: boolean
): Structure<Tensor> {
  const { layer } = nodes[0]!
  if (nodes.length === 1) return logits ? layer.applyLogits(input, context) : layer.apply(input, context)
  const x = input as Tensor
  for (const node of nodes.slice(1)) {
    // What pooling reads is what the use before it gives; the others keep the shape.
    const [output] = leavesOf(node === pool?.node ? nodes.at(-2)!.outputs : node.outputs)
    const shape: PartialShape = [x.shape[0]!, ...output!.shape.slice(1)]
    node.layer.admit(node === sum?.node ? pairAt(sum.at, shape, residual!.shape) : shape)
  }
  const epilogue = {
    residual: residual && inDType(residual, layer.computeDType),
    activation: logits ? 'none' : activation
  } as const
  const pooled = { ...epilogue, pool: pool && { ...pool.options, layer: pool.node.layer.name } }
  if (normalization === undefined) return layer.applyFused(x, context, pooled)
  const normalizer = normalization.layer as BatchNormalization
  if (!context.training && (conv || sum === undefined) && inner === 'none' && layer.canFold(x)) {
    return layer.applyFused(x, context, { ...pooled, normalization: normalizer })
  }
  const takesMoments = layer.callMoments !== undefined && normalizer.usesMoments(context)
  const [product, ...moments] = takesMoments ? layer.applyMoments(x, inner) : [layer.applyFused(x, context, { activation: inner })]
  const result = normalizer.applyFused(product, context, { ...epilogue, moments: takesMoments ? (moments as [Tensor, Tensor]) : undefined })
  for (const t of [product, ...moments]) t.dispose()
  if (pool === undefined) return result
  const maxima = pool.node.layer.apply(result, context)
  result.dispose()
  return maxima
}

function pairAt<T>(at: number, value: T, other: T): [T, T] {
  return at === 0 ? [value, other] : [other, value]
}
