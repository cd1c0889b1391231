// Ops on tensors without elements: shape rules with dimensions that are not known.
import { memory, ops, random, type Tensor, tensor } from '../lib'
import { publicShape } from '../lib/shape'
import { runAbstractly, runConcretely } from '../lib/state'
import { abstractTensor } from '../lib/tensor'

const x = (...shape: (number | null)[]): Tensor => abstractTensor(shape, 'float32')

test.each<[string, () => Tensor, (number | null)[]]>([
  ['elementwise', () => x(null, 8).exp().add(1), [null, 8]],
  ['broadcasting', () => x(null, 1, 8).mul(x(3, 8)), [null, 3, 8]],
  ['broadcasting with a known size', () => x(null, 8).add(x(4, 8)), [4, 8]],
  ['a weight', () => x(null, 8).matmul(ops.zeros([8, 3]), { bias: ops.zeros([3]), activation: 'relu' }), [null, 3]],
  ['batched products', () => x(null, null, 8).matmul(x(8, 5)), [null, null, 5]],
  ['reductions', () => x(null, 4, 5).mean([0, 2]), [4]],
  ['reductions that keep', () => x(null, 4, 5).sum(1, { keepdims: true }), [null, 1, 5]],
  ['argmax', () => x(null, 4).argmax(-1), [null]],
  ['flatten by reshape', () => x(null, 4, 5).reshape([-1, 20]), [null, 20]],
  ['reshape around the batch', () => ((t) => t.reshape([t.shape[0]!, -1]))(x(null, 4, 5)), [null, 20]],
  ['reshape to what is not known', () => x(null, null).reshape([-1]), [null]],
  ['transpose', () => x(null, 4, 5).transpose([0, 2, 1]), [null, 5, 4]],
  ['concat', () => ops.concat([x(null, 4), x(null, 5)], 1), [null, 9]],
  ['concat of the batch', () => ops.concat([x(null, 4), x(3, 4)]), [null, 4]],
  ['slice', () => x(null, 4, 5).slice([0, 1, 0], [-1, 2, 5]), [null, 2, 5]],
  ['split', () => x(null, 6).split(3, 1)[2]!, [null, 2]],
  [
    'pad',
    () =>
      x(null, 4).pad([
        [0, 0],
        [1, 2]
      ]),
    [null, 7]
  ],
  ['tile', () => x(null, 4).tile([1, 3]), [null, 12]],
  ['expandDims and squeeze', () => x(null, 4).expandDims(1).squeeze(1), [null, 4]],
  ['gather', () => ops.zeros([10, 16]).gather(abstractTensor([null, 7], 'int32')), [null, 7, 16]],
  ['oneHot', () => abstractTensor([null], 'int32').oneHot(10), [null, 10]],
  ['softmax', () => x(null, 4).softmax(), [null, 4]],
  ['losses', () => ops.sparseSoftmaxCrossEntropy(x(null, 10), abstractTensor([null], 'uint8')), [null]],
  ['where', () => ops.where(x(null, 3).greater(0), x(null, 3), 0), [null, 3]],
  ['random numbers', () => ((t) => random.normal([t.shape[0]!, 2 * t.shape[1]!]))(x(null, 3)), [null, 6]],
  ['dropout', () => random.dropout(x(null, 3), 0.5), [null, 3]]
])('%s', (_what, run, expected) => {
  expect(publicShape(runAbstractly(run).shape)).toEqual(expected)
})

test('errors show unknown dimensions as null', () => {
  expect(() => runAbstractly(() => x(null, 8).matmul(x(9, 3)))).toThrow(
    '[matmul] expected [..., M, K] and [..., K, N], received [null, 8] and [9, 3]'
  )
  expect(() => runAbstractly(() => x(null, 8).add(x(null, 5)))).toThrow(
    '[add] expected shapes that broadcast, received [null, 8] and [null, 5]'
  )
})

test('nothing is made, except what is asked to be', () => {
  const before = memory().tensors
  runAbstractly(() =>
    x(null, 8)
      .matmul(ops.zeros([8, 3]))
      .add(tensor([1, 2, 3]))
  )
  expect(memory().tensors).toBe(before)
  const made = runAbstractly(() => runConcretely(() => ops.ones([2])))
  expect([...made.dataSync()]).toEqual([1, 1])
  made.dispose()
})

test('an abstract tensor that escapes is refused', () => {
  expect(() => x(null, 3).add(1)).toThrow(
    '[add] expected a to be a tensor, received an abstract one of shape [null, 3]: use it only inside call()'
  )
})
