// The graph of a model: which layers are used on what, in an order that can be run, from the inputs to the outputs.
import { inDType } from '../dtype'
import { ArgumentError, failure, show } from '../errors'
import { InputLayer } from '../layers/input'
import type { AnyLayer } from '../layers/layer'
import type { CallContext, PartialShape } from '../layers/options'
import type { LayerNode } from '../layers/symbolic'
import { leavesOf, mapLeaves, type Structure } from '../structure'
import { type SymbolicTensor, Tensor } from '../tensor'
import { computeGroup, fuse, type Group } from './fuse'

/** A group of uses as it is run: values are numbered. */
interface Step {
  readonly group: Group
  readonly inputs: Structure<number>
  readonly residual: number | undefined
  readonly outputs: readonly number[]
  /** Values that nobody needs after this step. */
  readonly spent: readonly number[]
  /** The output of the model that is this step's and nobody else's. */
  readonly final: number | undefined
}

/** What leads from symbolic inputs to symbolic outputs. */
export class Graph {
  /** The layers: those of the inputs, then the others in the order of their first use. */
  readonly layers: readonly AnyLayer[]
  /** The uses of layers between inputs and outputs, each after those that it depends on. */
  readonly nodes: readonly LayerNode[]
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
  /** Layers of the inputs: those of `input()`, or new ones where a model begins in the middle of another. */
  readonly inputLayers: readonly InputLayer[]
  private readonly steps: readonly Step[]
  private readonly slots: ReadonlyMap<SymbolicTensor, number>

  /** @throws ArgumentError if an output depends on something else than the inputs */
  constructor(inputs: readonly SymbolicTensor[], outputs: readonly SymbolicTensor[]) {
    this.inputs = inputs
    this.outputs = outputs
    const twice = inputs.find((input, i) => inputs.indexOf(input) !== i)
    if (twice) throw failure(ArgumentError, 'model', `expected inputs that differ, received that of layer ${show(twice.name)} twice`)
    this.inputLayers = inputs.map(({ node: { layer }, shape, dtype }) =>
      layer instanceof InputLayer ? layer : new InputLayer({ batchShape: shape, dtype })
    )
    this.nodes = nodesBetween(inputs, outputs)
    this.layers = [...new Set([...this.inputLayers, ...this.nodes.map(({ layer }) => layer)])]
    this.slots = new Map([...inputs, ...this.nodes.flatMap((node) => leavesOf(node.outputs))].map((t, i) => [t, i]))
    this.steps = this.makeSteps()
  }

  /**
   * Computes the outputs. Those that `logits` marks come without the activation that `logitsActivation` names. Values are freed as
   * soon as no layer needs them any more.
   */
  run(xs: readonly Tensor[], context: CallContext, logits: readonly boolean[] = []): Tensor[] {
    const values: (Tensor | undefined)[] = xs.map((x, i) => this.asDeclared(x, i))
    // What exists already, or shares memory with it, is not ours to free.
    const { origin } = new Tensor(0, [], 'float32', 0)
    for (const { group, inputs, residual, outputs, spent, final } of this.steps) {
      const input = mapLeaves(inputs, (slot) => values[slot]!)
      const added = residual === undefined ? undefined : values[residual]!
      const results = leavesOf<Tensor>(computeGroup(group, input, added, context, final !== undefined && logits[final] === true))
      outputs.forEach((slot, i) => {
        values[slot] = results[i]!
      })
      for (const slot of spent) {
        const value = values[slot]!
        values[slot] = undefined
        if (value.origin > origin && !values.includes(value)) value.dispose()
      }
    }
    return this.outputs.map((output) => values[this.slots.get(output)!]!)
  }

  /** The activation that output `i` ends with, if the model can do without it there. */
  logitsActivation(i: number): 'softmax' | 'sigmoid' | undefined {
    return this.steps.find(({ final }) => final === i)?.group.nodes.at(-1)?.layer.logitsActivation
  }

  /** The shapes that come out of a layer, one for each use and output. */
  shapesOf(layer: AnyLayer): PartialShape[] {
    const input = this.inputLayers.indexOf(layer as InputLayer)
    if (input >= 0) return [this.inputs[input]!.shape]
    return this.nodes.filter((node) => node.layer === layer).flatMap(({ outputs }) => leavesOf(outputs).map(({ shape }) => shape))
  }

  /** What is written for a tensor of the graph: the layer, which of its uses, and which output of that. */
  refOf(tensor: SymbolicTensor): string {
    const input = this.inputs.indexOf(tensor)
    if (input >= 0) return refTo(this.inputLayers[input]!.name, 0, 0)
    const { node } = tensor
    const use = this.nodes.filter(({ layer }) => layer === node.layer).indexOf(node)
    return refTo(node.layer.name, use, leavesOf(node.outputs).indexOf(tensor))
  }

  /** Tokens, say, may come as floats: where `input()` asks for another dtype than float32, that is what the layers get. */
  private asDeclared(x: Tensor, i: number): Tensor {
    const { dtype } = this.inputs[i]!
    return dtype === 'float32' || dtype === 'bfloat16' ? x : inDType(x, dtype)
  }

  private makeSteps(): Step[] {
    const slotOf = (t: SymbolicTensor): number => this.slots.get(t)!
    const groups = fuse(this.nodes, this.outputs)
    const outputsOf = ({ nodes }: Group) => leavesOf(nodes.at(-1)!.outputs)
    const lastUse = new Map<number, Group>()
    const consumed = new Set<SymbolicTensor>()
    for (const group of groups) {
      const { nodes, sum } = group
      for (const t of outputsOf(group)) lastUse.set(slotOf(t), group)
      for (const t of [...leavesOf(nodes[0]!.inputs), ...(sum ? [sum.residual] : [])]) {
        lastUse.set(slotOf(t), group)
        consumed.add(t)
      }
    }
    for (const t of [...this.inputs, ...this.outputs]) lastUse.delete(slotOf(t))
    return groups.map((group) => {
      const outputs = outputsOf(group)
      const places = this.outputs.flatMap((t, i) => (t === outputs[0] ? [i] : []))
      const isFinal = outputs.length === 1 && places.length === 1 && !consumed.has(outputs[0]!)
      return {
        group,
        inputs: mapLeaves(group.nodes[0]!.inputs, slotOf),
        residual: group.sum && slotOf(group.sum.residual),
        outputs: outputs.map(slotOf),
        spent: [...lastUse].flatMap(([slot, last]) => (last === group ? [slot] : [])),
        final: isFinal ? places[0] : undefined
      }
    })
  }
}

/** `dense[1][0]`: the first output of the second use of a layer. */
export function refTo(layer: string, use: number, output: number): string {
  return `${layer}[${use}][${output}]`
}

function nodesBetween(inputs: readonly SymbolicTensor[], outputs: readonly SymbolicTensor[]): LayerNode[] {
  const nodes = new Set<LayerNode>()
  const given = new Set(inputs)
  for (const output of outputs) {
    const open = [output]
    for (let t = open.pop(); t !== undefined; t = open.pop()) {
      const { node } = t
      if (given.has(t) || nodes.has(node)) continue
      if (node.layer instanceof InputLayer) {
        const known = inputs.map(({ name }) => show(name)).join(', ')
        throw failure(
          ArgumentError,
          'model',
          `expected outputs that depend on the inputs ${known} alone, received the output of layer ${show(output.name)}, which is disconnected from them: it also depends on ${show(t.name)}`
        )
      }
      nodes.add(node)
      open.push(...leavesOf(node.inputs))
    }
  }
  return [...nodes].sort((a, b) => a.id - b.id)
}

/**
 * Gives layers that were named by default the first free names, in their order.
 * @throws ArgumentError for two layers of one name
 */
export function nameLayers(where: string, layers: readonly AnyLayer[]): void {
  const taken = new Set<string>()
  const isTaken = (layer: AnyLayer): void => {
    if (taken.has(layer.name)) {
      throw failure(ArgumentError, where, `expected layers of different names, received two of the name ${show(layer.name)}`)
    }
    taken.add(layer.name)
  }
  const [byDefault, named] = [true, false].map((which) => layers.filter((layer) => layer.isNamedByDefault === which))
  for (const layer of named!) isTaken(layer)
  for (const layer of byDefault!) {
    layer.nameWithin(taken)
    taken.add(layer.name)
  }
}
