// Cross-entropies from logits, fused with softmax or sigmoid, so that nothing overflows.
import { failure, ShapeError, showShape } from '../errors'
import { expectTensor, run, runAll } from '../op'
import { sameShape } from '../shape'
import type { Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { fusedGradient } from './composed'
import { add, mul, sub } from './elementwise-binary'
import { cast, logSigmoid, neg } from './elementwise-unary'
import { oneHot } from './indexing'
import { sum } from './reduce'
import { broadcast, expectDType, expectSameDType, floats } from './rules'
import { logSoftmax } from './softmax'

const denseGradient: Gradient = (dloss, { inputs, outputs }) => {
  const [logits, targets] = inputs as readonly [Tensor, Tensor]
  return [
    () =>
      run('softmaxCrossEntropyGrad', [dloss, logits, targets, outputs[1]!], {
        shape: logits.shape,
        dtype: logits.dtype
      }),
    // loss = Σ targets (logSumExp - logits)
    () => {
      const column = [...dloss.shape, 1]
      const slope = neg(logSoftmax(logits))
      const dy = dloss.reshape(column)
      return mul(broadcast(dy.dtype === slope.dtype ? dy : dy.cast(slope.dtype), slope.shape), slope)
    }
  ]
}

/**
 * Cross-entropy -Σ targets · logSoftmax(logits) over the last axis: logits [..., C], targets of the same shape and dtype -> float32 [...].
 * @throws ShapeError, DTypeError
 */
export function softmaxCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const name = 'softmaxCrossEntropy'
  expectTensor(name, 'logits', logits)
  expectTensor(name, 'targets', targets)
  expectDType(name, 'logits', logits, floats)
  expectSameDType(name, logits, targets)
  if (logits.rank === 0 || !sameShape(logits.shape, targets.shape)) {
    throw failure(
      ShapeError,
      name,
      `expected logits and targets of one shape [..., C], received ${showShape(logits.shape)} and ${showShape(targets.shape)}`
    )
  }
  const composed = (): Tensor => neg(sum(mul(cast(targets, 'float32'), logSoftmax(cast(logits, 'float32'))), -1))
  return fused(name, [logits, targets], fusedGradient(denseGradient, composed))
}

const sparseGradient: Gradient = (dloss, { inputs, outputs }) => [
  () =>
    run('sparseSoftmaxCrossEntropyGrad', [dloss, inputs[0]!, inputs[1]!, outputs[1]!], {
      shape: inputs[0]!.shape,
      dtype: inputs[0]!.dtype
    }),
  null
]

/**
 * Cross-entropy -logSoftmax(logits)[label] over the last axis: logits [..., C], labels int32 or uint8 [...] -> float32 [...].
 * A label out of range is an error of the next host read.
 * @throws ShapeError, DTypeError
 */
export function sparseSoftmaxCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const name = 'sparseSoftmaxCrossEntropy'
  expectTensor(name, 'logits', logits)
  expectTensor(name, 'labels', labels)
  expectDType(name, 'logits', logits, floats)
  expectDType(name, 'labels', labels, ['int32', 'uint8'])
  if (logits.rank === 0 || logits.shape.at(-1) === 0 || !sameShape(logits.shape.slice(0, -1), labels.shape)) {
    throw failure(
      ShapeError,
      name,
      `expected logits [..., C] of at least one class and labels [...], received ${showShape(logits.shape)} and ${showShape(labels.shape)}`
    )
  }
  const composed = (): Tensor => neg(sum(mul(oneHot(labels, logits.shape.at(-1)!), logSoftmax(cast(logits, 'float32'))), -1))
  return fused(name, [logits, labels], fusedGradient(sparseGradient, composed))
}

/** The loss; logSumExp, the second output, is kept for the gradient alone. */
function fused(name: string, inputs: readonly [Tensor, Tensor], gradient: Gradient): Tensor {
  const shape = inputs[0].shape.slice(0, -1)
  const [loss, logSumExp] = runAll(name, inputs, {
    outputs: [
      { shape, dtype: 'float32' },
      { shape, dtype: 'float32' }
    ],
    gradient
  })
  logSumExp!.dispose()
  return loss!
}

const sigmoidGradient: Gradient = (dloss, { inputs }) => {
  const [logits, targets] = inputs as readonly [Tensor, Tensor]
  return [
    () =>
      run('sigmoidCrossEntropyGrad', [dloss, logits, targets], {
        shape: logits.shape,
        dtype: logits.dtype
      }),
    // By z: -x.
    () => mul(dloss.dtype === logits.dtype ? dloss : dloss.cast(logits.dtype), neg(logits))
  ]
}

/**
 * Cross-entropy of sigmoid(logits) elementwise, as max(x, 0) - x z + ln(1 + e^-|x|): logits and targets of one shape -> float32.
 * @throws ShapeError, DTypeError
 */
export function sigmoidCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const name = 'sigmoidCrossEntropy'
  expectTensor(name, 'logits', logits)
  expectTensor(name, 'targets', targets)
  expectDType(name, 'logits', logits, floats)
  expectSameDType(name, logits, targets)
  if (!sameShape(logits.shape, targets.shape)) {
    throw failure(
      ShapeError,
      name,
      `expected logits and targets of one shape, received ${showShape(logits.shape)} and ${showShape(targets.shape)}`
    )
  }
  const composed = (): Tensor => {
    const [x, z] = [cast(logits, 'float32'), cast(targets, 'float32')]
    return neg(add(mul(z, logSigmoid(x)), mul(sub(1, z), logSigmoid(neg(x)))))
  }
  return run(name, [logits, targets], { shape: logits.shape, dtype: 'float32', gradient: fusedGradient(sigmoidGradient, composed) })
}
