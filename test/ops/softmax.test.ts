// Softmax and its logarithm: large logits, every axis, gradients.
import { ops, zeros } from '../../lib'
import { input, opSuite } from '../support/op-suite'
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
      { inputs: [input([2, 3], { values: [1, Number.NaN, 2, 1, 2, 3] })], attributes: { axis: 1 }, withoutGradient: 'NaN' },
      // An infinite maximum leaves no number in its row, and the next row alone.
      {
        inputs: [input([2, 3], { values: [1, Number.POSITIVE_INFINITY, 2, 1, 2, 3] })],
        attributes: { axis: 1 },
        withoutGradient: 'infinities'
      }
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
