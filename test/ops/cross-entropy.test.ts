// Cross-entropies from logits: large logits, label dtypes, gradients of both operands.
import { type DType, ops, setDevice, tensor, zeros } from '../../lib'
import { input, onEveryDevice, opSuite } from '../support/op-suite'
import { type Array64, reduce, zip } from '../support/reference'

const total = (v: number[]): number => v.reduce((a, b) => a + b, 0)
const logSum = (v: number[]): number => {
  const m = Math.max(...v)
  return m + Math.log(total(v.map((x) => Math.exp(x - m))))
}
const logSoftmax = (x: Array64): Array64 => zip((v, l) => v - l, x, reduce(x, [x.shape.length - 1], true, logSum))

const classes: readonly (readonly number[])[] = [[5], [3, 10], [2, 3, 7], [4, 1031], [67, 10]]

opSuite('softmaxCrossEntropy', {
  run: ([logits, targets]) => ops.softmaxCrossEntropy(logits!, targets!),
  reference: ([logits, targets]) =>
    reduce(
      zip((t, l) => -t * l, targets!, logSoftmax(logits!)),
      [logits!.shape.length - 1],
      false,
      total
    ),
  dtype: 'float32',
  cases: (['float32', 'bfloat16'] as const).flatMap((dtype) =>
    classes.map((shape) => ({
      inputs: [input(shape, { dtype }), input(shape, { dtype, low: 0, high: 1 })],
      tolerance: shape.at(-1)! > 1000 ? 1e-4 : 1e-5
    }))
  ),
  failures: [
    {
      what: 'other shapes',
      run: () => ops.softmaxCrossEntropy(zeros([2, 3]), zeros([2, 4])),
      code: 'ShapeError',
      message: '[softmaxCrossEntropy] expected logits and targets of one shape [..., C], received [2, 3] and [2, 4]'
    }
  ]
})

opSuite('sparseSoftmaxCrossEntropy', {
  run: ([logits, labels]) => ops.sparseSoftmaxCrossEntropy(logits!, labels!),
  reference: ([logits, labels]) => {
    const l = logSoftmax(logits!)
    const c = logits!.shape.at(-1)!
    return { shape: labels!.shape, data: labels!.data.map((label, i) => -l.data[i * c + label]!) }
  },
  dtype: 'float32',
  cases: (['int32', 'uint8'] as const).flatMap((labels) =>
    (['float32', 'bfloat16'] as const).flatMap((dtype) =>
      classes.map((shape) => ({
        inputs: [input(shape, { dtype }), input(shape.slice(0, -1), { dtype: labels, low: 0, high: Math.min(shape.at(-1)!, 255) })]
      }))
    )
  ),
  failures: [
    {
      what: 'labels of another shape',
      run: () => ops.sparseSoftmaxCrossEntropy(zeros([2, 3]), zeros([3], { dtype: 'int32' })),
      code: 'ShapeError',
      message: '[sparseSoftmaxCrossEntropy] expected logits [..., C] of at least one class and labels [...], received [2, 3] and [3]'
    },
    {
      what: 'no classes',
      run: () => ops.sparseSoftmaxCrossEntropy(zeros([2, 0]), zeros([2], { dtype: 'int32' })),
      code: 'ShapeError',
      message: '[sparseSoftmaxCrossEntropy] expected logits [..., C] of at least one class and labels [...], received [2, 0] and [2]'
    },
    {
      what: 'float labels',
      run: () => ops.sparseSoftmaxCrossEntropy(zeros([2, 3]), zeros([2])),
      code: 'DTypeError',
      message: '[sparseSoftmaxCrossEntropy] expected labels to be int32 or uint8, received float32: use cast'
    }
  ]
})

onEveryDevice(({ name }) => {
  test('a label out of range is an error of the next read, which names op, label and range', async () => {
    setDevice(name)
    const loss = ops.sparseSoftmaxCrossEntropy(zeros([2, 3]), tensor([1, 3], [2], { dtype: 'int32' }))
    await expect(loss.data()).rejects.toMatchObject({
      name: 'ArgumentError',
      message: expect.stringMatching(/sparseSoftmaxCrossEntropy.*0 to 2.*3/)
    })
    expect(await zeros([1]).item()).toBe(0)
  })
})

const dtypes: readonly DType[] = ['float32', 'bfloat16']
opSuite('sigmoidCrossEntropy', {
  run: ([logits, targets]) => ops.sigmoidCrossEntropy(logits!, targets!),
  reference: ([logits, targets]) => zip((x, z) => Math.max(x, 0) - x * z + Math.log1p(Math.exp(-Math.abs(x))), logits!, targets!),
  dtype: 'float32',
  cases: [
    ...dtypes.flatMap((dtype) =>
      [[], [7], [3, 129]].map((shape) => ({ inputs: [input(shape, { dtype }), input(shape, { dtype, low: 0, high: 1 })] }))
    ),
    { inputs: [input([4], { values: [1000, -1000, 1000, -1000] }), input([4], { values: [1, 0, 0, 1] })] }
  ],
  failures: [
    {
      what: 'other shapes',
      run: () => ops.sigmoidCrossEntropy(zeros([2, 3]), zeros([3])),
      code: 'ShapeError',
      message: '[sigmoidCrossEntropy] expected logits and targets of one shape, received [2, 3] and [3]'
    }
  ]
})
