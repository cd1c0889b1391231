// Inner values of a model: what its layers give for an input.
import { ArgumentError, failure, show } from '../errors'
import { type AnyLayer, Layer } from '../layers/layer'
import { type LayerNode, makeNode } from '../layers/symbolic'
import { Graph, refTo } from '../models/graph'
import { type AnyModel, Model } from '../models/model'
import { leavesOf, mapLeaves } from '../structure'
import { SymbolicTensor, type Tensor } from '../tensor'

/** @throws ArgumentError unless `model` is a model with one input */
export function checkModel(where: string, model: AnyModel): void {
  if (!(model instanceof Model)) throw failure(ArgumentError, where, `expected a model, received ${show(model)}`)
  if (model.inputNames.length === 1) return
  throw failure(
    ArgumentError,
    where,
    `expected a model with one input, received ${model.inputNames.length} (${model.inputNames.join(', ')})`
  )
}

/** A use of a layer: how it is called, with the models around it as in `backbone/conv1`, and what it gives. */
interface Use {
  readonly layer: AnyLayer
  readonly path: string
  readonly outputs: readonly SymbolicTensor[]
}

/** A built model's graph, in which the graphs of the models that are its layers are drawn too. */
export class Inside {
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
  /** Of layers that are no models, in an order that can be run. */
  readonly uses: readonly Use[]
  private readonly models: readonly Use[]

  constructor(model: AnyModel) {
    const [uses, models]: [Use[], Use[]] = [[], []]
    const draw = ({ graph }: AnyModel, inputs: readonly SymbolicTensor[], prefix: string): readonly SymbolicTensor[] => {
      const drawn = new Map(graph!.inputs.map((t, i) => [t, inputs[i]!]))
      for (const { layer, inputs: given, outputs } of graph!.nodes) {
        const path = `${prefix}${layer.name}`
        const own = mapLeaves(given, (t) => drawn.get(t)!)
        const isModel = layer instanceof Model && layer.graph !== undefined
        const copy = (node: LayerNode) =>
          mapLeaves<SymbolicTensor, SymbolicTensor>(outputs, (t) => new SymbolicTensor(t.shape, t.dtype, node))
        const made = isModel ? draw(layer, leavesOf(own), `${path}/`) : leavesOf(makeNode(layer, own, copy).outputs)
        leavesOf(outputs).forEach((t, i) => {
          drawn.set(t, made[i]!)
        })
        ;(isModel ? models : uses).push({ layer, path, outputs: made })
      }
      return graph!.outputs.map((t) => drawn.get(t)!)
    }
    this.inputs = model.graph!.inputs
    this.outputs = draw(model, this.inputs, '')
    this.uses = uses
    this.models = models
  }

  /**
   * What a layer gives, by itself, its name, or its name with those of the models around it: a tensor for each use and output.
   * @throws ArgumentError if there is no such layer
   */
  outputsOf(where: string, which: string | AnyLayer): readonly SymbolicTensor[] {
    const all = [...this.uses, ...this.models]
    const found = all.filter(({ layer, path }) => layer === which || path === which || layer.name === which)
    if (found.length > 0) return found.flatMap(({ outputs }) => outputs)
    const names = [...new Set(all.map(({ path }) => path))]
    throw failure(
      ArgumentError,
      where,
      `expected one of the model's layers ${names.map(show).join(', ')}, received ${which instanceof Layer ? which.name : show(which)}`
    )
  }

  /** The name of a tensor for people: its layer's, with `[use][output]` where that is not alone among `others`. */
  nameOf(tensor: SymbolicTensor, others: readonly SymbolicTensor[]): string {
    const use = this.uses.find(({ outputs }) => outputs.includes(tensor))!
    const siblings = this.uses.filter(({ path }) => path === use.path)
    if (siblings.flatMap(({ outputs }) => outputs.filter((t) => others.includes(t))).length === 1) return use.path
    return refTo(use.path, siblings.indexOf(use), use.outputs.indexOf(tensor))
  }

  /** A function of the model's inputs that gives inner values: the first without a softmax or sigmoid at its end where `logits`. */
  function(outputs: readonly SymbolicTensor[], logits = false): (xs: readonly Tensor[]) => Tensor[] {
    const graph = new Graph(this.inputs, outputs)
    const marks = [logits && graph.logitsActivation(0) !== undefined]
    return (xs) => graph.run(xs, { training: false }, marks)
  }
}
