// Softmax and the fused losses: large logits, every axis, gradients.
import { type DType, ops, setDevice, tensor, zeros } from '../../lib'
import { input, onEveryDevice, opSuite } from '../support/op-suite'
import { type Array64, map, reduce, zip } from '../support/reference'

const total = (v: number[]): number => v.reduce((a, b) => a + b, 0)
const logSum = (v: number[]): number => {
  const m = Math.max(...v)
  return m + Math.log(total(v.map((x) => Math.exp(x - m))))
}
const logSoftmax = (x: Array64, axis: number): Array64 => {
  const a = axis < 0 ? axis + x.shape.length : axis
  return zip((v, l) => v - l, x, reduce(x, [a], true, logSum))
}

const shapes: [readonly number[], number][] = [
  [[5], 0],
  [[3, 5], -1],
  [[3, 5], 0],
  [[2, 3, 129], 1],
  [[4, 1031], -1],
  [[33, 10], -1],
  [[3, 1], -1]
]

for (const [name, reference] of [
  ['softmax', (x: Array64, axis: number) => map(logSoftmax(x, axis), Math.exp)],
  ['logSoftmax', logSoftmax]
] as const) {
  opSuite<{ axis: number }>(name, {
    run: ([x], { axis }) => ops[name](x!, axis),
    reference: ([x], { axis }) => reference(x!, axis),
    cases: [
      ...(['float32', 'bfloat16'] as const).flatMap((dtype) =>
        shapes.map(([shape, axis]) => ({ inputs: [input(shape, { dtype })], attributes: { axis } }))
      ),
      { inputs: [input([2, 4], { values: [1000, 999, -1000, 0, -1000, -1001, -1000, -1002] })], attributes: { axis: 1 }, tolerance: 1e-4 },
      { inputs: [input([2, 3], { values: [1, Number.NaN, 2, 1, 2, 3] })], attributes: { axis: 1 }, withoutGradient: 'NaN' }
    ],
    failures: [
      {
        what: 'an axis out of range',
        run: () => ops[name](zeros([2, 3]), 2),
        code: 'ShapeError',
        message: `[${name}] expected axis in [-2, 1], received axis 2`
      },
      {
        what: 'integers',
        run: () => ops[name](zeros([2], { dtype: 'int32' })),
        code: 'DTypeError',
        message: `[${name}] expected x to be float32 or bfloat16, received int32: use cast`
      }
    ]
  })
}

const classes: readonly (readonly number[])[] = [[5], [3, 10], [2, 3, 7], [4, 1031], [67, 10]]

opSuite('softmaxCrossEntropy', {
  run: ([logits, targets]) => ops.softmaxCrossEntropy(logits!, targets!),
  reference: ([logits, targets]) =>
    reduce(
      zip((t, l) => -t * l, targets!, logSoftmax(logits!, -1)),
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
    const l = logSoftmax(logits!, -1)
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
      message: '[sparseSoftmaxCrossEntropy] expected logits [..., C] and labels [...], received [2, 3] and [3]'
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
