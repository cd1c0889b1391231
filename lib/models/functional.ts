// Models drawn layer by layer: any graph without cycles, with one or several inputs and outputs.
import { checkOptions, type NamesOf } from '../arguments'
import { ArgumentError, FormatError, failure, show } from '../errors'
import * as layers from '../layers'
import { InputLayer } from '../layers/input'
import type { AnyLayer } from '../layers/layer'
import type { PartialShape } from '../layers/options'
import { type Config, isSerialized, type Serialized } from '../serialization'
import { leavesOf, mapLeaves, type Structure } from '../structure'
import { SymbolicTensor, type Tensor } from '../tensor'
import { Graph, nameLayers, refTo } from './graph'
import { Model } from './model'

export interface ModelOptions<O extends Structure<SymbolicTensor> = Structure<SymbolicTensor>> {
  /** What `input()` gave, or inner tensors of another model: one, an array, or a record. */
  inputs: Structure<SymbolicTensor>
  /** What layers gave for the inputs: one, an array, or a record. `predict` gives the same with tensors. */
  outputs: O
  name?: string | undefined
  trainable?: boolean | undefined
}

const modelOptions: NamesOf<ModelOptions> = { inputs: 'required', outputs: 'required', name: 'optional', trainable: 'optional' }

/** What a file holds for a graph; tensors are written as `layer[use][output]`. */
interface GraphConfig {
  name?: string
  trainable?: boolean
  layers: readonly Serialized[]
  /** The uses of layers, each after those that it depends on. */
  nodes: readonly { layer: string; inputs: Structure<string> }[]
  inputs: Structure<string>
  outputs: Structure<string>
}

/** Tensors where `O` has symbolic ones. */
export type Concrete<O> = O extends SymbolicTensor ? Tensor : { -readonly [K in keyof O]: Tensor }

/** A model of any graph without cycles: made by {@link model}. */
export class Functional<Out extends Structure<Tensor> = Tensor> extends Model<Out> {
  /** @throws ArgumentError, FormatError for a graph that cannot be */
  constructor(options: ModelOptions | GraphConfig) {
    const given = options !== undefined && 'nodes' in options ? readGraph(options) : options
    const { name, trainable, inputs, outputs } = checkOptions('model', given, modelOptions, new.target !== Functional)
    super({ name, trainable })
    for (const [what, tensors] of Object.entries({ inputs, outputs })) {
      const list = leavesOf<unknown>(tensors)
      const bad = list.findIndex((t) => !(t instanceof SymbolicTensor))
      if (bad < 0 && list.length > 0) continue
      const received = list.length === 0 ? 'none' : show(list[bad])
      throw failure(ArgumentError, 'model', `expected ${what} to be what input() and layers applied to it give, received ${received}`)
    }
    const graph = new Graph(leavesOf(inputs), leavesOf(outputs))
    nameLayers('model', graph.layers)
    this.setGraph(graph, inputs, outputs)
    this.built = true
  }

  override get layers(): readonly AnyLayer[] {
    return this.graph?.layers ?? []
  }

  protected override get declaredShapes(): readonly (PartialShape | undefined)[] {
    return this.inputShapes
  }

  override getConfig(): Config {
    const { name, trainable } = this
    const graph = this.graph!
    const ref = (t: SymbolicTensor): string => graph.refOf(t)
    return {
      name,
      trainable,
      layers: graph.layers.map(layers.serialize),
      nodes: graph.nodes.map(({ layer, inputs }) => ({ layer: layer.name, inputs: mapLeaves(inputs, ref) })),
      inputs: mapLeaves(this.input, ref),
      outputs: mapLeaves<SymbolicTensor, string>(this.output, ref)
    }
  }
}

/** Draws the graph that a file holds. */
function readGraph({ name, trainable, layers: serialized, nodes, inputs, outputs }: GraphConfig): ModelOptions {
  const byName = new Map(serialized.map((one) => (isSerialized(one) ? layers.deserialize(one) : undefined)).map((l) => [l?.name, l]))
  const tensors = new Map<string, SymbolicTensor>()
  const uses = new Map<AnyLayer, number>()
  for (const layer of byName.values()) if (layer instanceof InputLayer) tensors.set(refTo(layer.name, 0, 0), layer.output)
  const find =
    (reader: string) =>
    (ref: string): SymbolicTensor => {
      const tensor = tensors.get(ref)
      if (tensor) return tensor
      throw new FormatError(
        `the architecture of model ${show(name)} cannot be drawn: ${reader} takes ${show(ref)}, which no layer before it gives (a cycle, or a layer that is not there)`
      )
    }
  for (const { layer: layerName, inputs: refs } of nodes) {
    const layer = byName.get(layerName)
    if (!layer) throw new FormatError(`the architecture of model ${show(name)} uses the layer ${show(layerName)}, which it does not have`)
    const use = uses.get(layer) ?? 0
    uses.set(layer, use + 1)
    const results = leavesOf<SymbolicTensor>(layer.apply(mapLeaves(refs, find(`layer ${show(layerName)}`))))
    for (const [i, t] of results.entries()) tensors.set(refTo(layerName, use, i), t)
  }
  return {
    name,
    trainable,
    inputs: mapLeaves(inputs, find('the list of inputs')),
    outputs: mapLeaves(outputs, find('the list of outputs'))
  }
}

/**
 * A model of the layers between `inputs` and `outputs`. A layer may be used several times (its weights are shared), a model may be a
 * layer of another, and outputs may be what inner layers gave. With a record of outputs, `predict` gives a record, and losses, metrics
 * and targets go by its keys; with an array, by the names of the layers.
 * @throws ArgumentError for an output that is disconnected from the inputs, or two layers of one name
 * @example
 * const x = input({ shape: [32] })
 * const y = layers.dense({ units: 32, activation: 'relu' }).apply(x)
 * const net = model({ inputs: x, outputs: layers.add().apply([x, y]) })
 */
export function model<const O extends Structure<SymbolicTensor>>(options: ModelOptions<O>): Functional<Concrete<O>> {
  return new Functional<Concrete<O>>(options)
}
