// Which elements of an input decide a class: the gradient of its score (Simonyan, Vedaldi and Zisserman 2013).
import { numberOption } from '../arguments'
import { makeBatch } from '../data/streams'
import type { ModelValues } from '../data/values'
import { inDType } from '../dtype'
import { ArgumentError, failure, ShapeError, showShape } from '../errors'
import type { AnyModel, Model } from '../models/model'
import * as ops from '../ops'
import { scope } from '../scope'
import { valueAndGrad } from '../tape'
import { type Tensor, tensor } from '../tensor'
import { checkModel, Inside } from './inner'

/**
 * How much each element of an input changes the score of a class: |∂score / ∂x|, where the score is what enters a softmax or sigmoid at the
 * model's end (Simonyan et al. 2013, arXiv 1312.6034). For images in colour the paper takes the largest over the channels: `.max(-1)`.
 * @param x inputs as `predict` takes them, of any dtype
 * @param classIndex the class: one for all, or one for each sample. Default: for each sample the class with the highest score
 * @returns float32 of the shape of x, not negative
 * @throws ArgumentError for a model of several inputs or outputs or whose input is of integers, or a class that it does not have; ShapeError
 * @example
 * const map = visualize.saliency(model, digits)
 * await visualize.writePng('saliency.png', visualize.grid(map, { zoom: 4 }))
 */
export function saliency(model: Model, x: ModelValues, classIndex?: number | readonly number[]): Tensor {
  const where = 'visualize.saliency'
  checkModel(where, model)
  const { xs, owned, size } = makeBatch(model.dataShapes(where, false), { x })
  try {
    return scope(() => {
      const [output, ...others] = model.outputs
      if (others.length > 0) throw failure(ArgumentError, where, `expected a model with one output, received ${others.length + 1}`)
      if (output!.rank !== 2)
        throw failure(ShapeError, where, `expected an output of shape [null, classes], received ${showShape(output!.shape)}`)
      checkDifferentiable(where, model)
      model.admit(xs[0]!.shape)
      const inside = new Inside(model)
      const forward = inside.function(inside.outputs, true)
      const input = inDType(xs[0]!, 'float32')
      const { grads } = valueAndGrad(() => {
        const scores = inDType(forward([input])[0]!, 'float32')
        const classes = scores.shape[1]!
        const indices = classIndex === undefined ? ops.argmax(scores, -1) : classTensor(where, classIndex, size, classes, scores.device)
        return ops.sum(ops.mul(scores, ops.oneHot(indices, classes)))
      }, [input])
      return ops.abs(grads[0]!)
    })
  } finally {
    for (const tensor of owned) tensor.dispose()
  }
}

/** @throws ArgumentError if the model's input is of integers, through which no gradient flows */
export function checkDifferentiable(where: string, model: AnyModel): void {
  const { dtype } = model.inputs[0]!
  if (dtype === 'float32' || dtype === 'bfloat16') return
  throw failure(
    ArgumentError,
    where,
    `expected a model whose input is of floats, received ${dtype}: gradients do not flow through integers`
  )
}

/** int32 (samples) */
function classTensor(where: string, classIndex: number | readonly number[], samples: number, classes: number, device: string): Tensor {
  const indices = typeof classIndex === 'number' ? new Array<number>(samples).fill(classIndex) : classIndex
  if (!Array.isArray(indices) || indices.length !== samples) {
    throw failure(ArgumentError, where, `expected classIndex to be a number, or one for each of ${samples} samples`)
  }
  for (const index of indices) numberOption(where, 'classIndex', index, { integer: true, min: 0, max: classes - 1 })
  return tensor(indices, [samples], { dtype: 'int32', device })
}
