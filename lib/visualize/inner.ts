// Inner values of a model: what its layers give for an input.
import { ArgumentError, failure, show } from '../errors'
import type { AnyLayer } from '../layers/layer'
import { Graph } from '../models/graph'
import { type AnyModel, Model } from '../models/model'
import { leavesOf } from '../structure'
import type { SymbolicTensor, Tensor } from '../tensor'

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

/**
 * What a layer gives in a built model: a tensor for each use and output.
 * @throws ArgumentError if the model has no such layer
 */
export function outputsOf(where: string, model: AnyModel, which: string | AnyLayer): SymbolicTensor[] {
  const nodes = model.graph?.nodes ?? []
  const found = nodes.filter(({ layer }) => layer === which || layer.name === which)
  if (found.length > 0) return found.flatMap(({ outputs }) => leavesOf(outputs))
  const names = [...new Set(nodes.map(({ layer }) => layer.name))]
  throw failure(
    ArgumentError,
    where,
    `expected one of the model's layers ${names.map(show).join(', ')}, received ${typeof which === 'string' ? show(which) : which.name}`
  )
}

/** A function of a built model's inputs that gives inner values: the first without a softmax or sigmoid at its end where `logits`. */
export function innerFunction(model: AnyModel, outputs: readonly SymbolicTensor[], logits = false): (xs: readonly Tensor[]) => Tensor[] {
  const graph = new Graph(model.inputs, outputs)
  const marks = [logits && graph.logitsActivation(0) !== undefined]
  return (xs) => graph.run(xs, { training: false }, marks)
}
