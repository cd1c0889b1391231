// Reductions over every choice of axes.
import { type DType, ops, ShapeError, tensor, valueAndGrad, zeros } from '../../lib'
import { type Case, input, opSuite, specials } from '../support/op-suite'
import { type Array64, pick, position, reduce, sizeOf } from '../support/reference'

interface Attributes {
  axis?: number | number[]
  keepdims?: boolean
}

const axesOf = (x: Array64, axis: number | number[] | undefined): number[] =>
  axis === undefined ? x.shape.map((_, i) => i) : [axis].flat().map((a) => (a < 0 ? a + x.shape.length : a))

const shapes: [readonly number[], Attributes][] = [
  [[], {}],
  [[7], {}],
  [[3, 5], {}],
  [[3, 5], { axis: 0 }],
  [[3, 5], { axis: 1, keepdims: true }],
  [[2, 3, 129], { axis: [0, 2] }],
  [[2, 3, 129], { axis: -2 }],
  [[4, 3, 2, 5], { axis: [3, 1], keepdims: true }],
  [[4, 3, 2, 5], { axis: [0, 1, 2] }],
  [[65, 67], { axis: 0 }],
  [[65, 67], { axis: [-1] }],
  [[3, 1031], { axis: 1 }],
  [[3, 5], { axis: [] }]
]

interface Reduction {
  reference: (values: number[]) => number
  dtypes: readonly DType[]
  tolerance?: number
  low?: number
  high?: number
  /** What an empty set gives; absent: not tried. */
  empty?: boolean
  withoutGradient?: string
  special?: boolean
}

const total = (v: number[]): number => v.reduce((a, b) => a + b, 0)
const average = (v: number[]): number => total(v) / v.length
const extreme = (f: (...v: number[]) => number) => (v: number[]) => (v.some(Number.isNaN) ? Number.NaN : f(...v))
const floats: readonly DType[] = ['float32', 'bfloat16']

const reductions: Record<string, Reduction> = {
  sum: { reference: total, dtypes: [...floats, 'int32'], empty: true, special: true },
  mean: { reference: average, dtypes: floats, special: true },
  prod: { reference: (v) => v.reduce((a, b) => a * b, 1), dtypes: [...floats, 'int32'], low: 0.9, high: 1.1, empty: true, tolerance: 1e-4 },
  max: { reference: extreme(Math.max), dtypes: [...floats, 'int32', 'uint8'], special: true },
  min: { reference: extreme(Math.min), dtypes: [...floats, 'int32', 'uint8'], special: true },
  all: { reference: (v) => Number(v.every((b) => b === 1)), dtypes: ['bool'], withoutGradient: 'bool' },
  any: { reference: (v) => Number(v.some((b) => b === 1)), dtypes: ['bool'], withoutGradient: 'bool' },
  logSumExp: {
    reference: (v) => {
      const m = Math.max(...v)
      return m + Math.log(total(v.map((x) => Math.exp(x - m))))
    },
    dtypes: floats
  },
  variance: { reference: (v) => average(v.map((x) => (x - average(v)) ** 2)), dtypes: floats },
  std: { reference: (v) => Math.sqrt(average(v.map((x) => (x - average(v)) ** 2))), dtypes: floats, tolerance: 2 ** -8 }
}

for (const [name, { reference, dtypes, tolerance = 1e-5, low, high, empty, withoutGradient, special }] of Object.entries(reductions)) {
  const op = ops[name as 'sum']
  const range = { ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) }
  const cases: Case<Attributes>[] = dtypes.flatMap((dtype) =>
    shapes
      // The standard deviation of one element is at the kink of the root.
      .filter(([shape, { axis }]) => name !== 'std' || (shape.length > 0 && [axis].flat().length > 0))
      .map(([shape, attributes]) => ({
        inputs: [input(shape, { dtype, ...(dtype === 'int32' && name === 'prod' ? { low: 1, high: 3 } : range) })],
        attributes,
        // Elements that tie in bfloat16 share the gradient, and rounding in between hides small differences.
        ...(withoutGradient ? { withoutGradient } : dtype === 'bfloat16' ? { withoutGradient: 'checked in float32' } : {})
      }))
      .filter((c) => !(name === 'prod' && c.inputs[0]!.dtype === 'int32' && sizeOf(c.inputs[0]!.shape) > 30))
  )
  if (empty) cases.push({ inputs: [input([0, 3])], attributes: { axis: 0 } }, { inputs: [input([3, 0])], attributes: { axis: 0 } })
  if (special) cases.push({ inputs: [input([7, 11], { values: specials })], attributes: { axis: 1 }, withoutGradient: 'special values' })
  opSuite<Attributes>(name, {
    run: ([x], { axis, ...options }) => op(x!, axis, options),
    reference: ([x], { axis, keepdims = false }) => reduce(x!, axesOf(x!, axis), keepdims, reference),
    cases,
    tolerance,
    failures: [
      {
        what: 'an option that it does not have',
        run: () => op(zeros([4, 8], { dtype: dtypes[0]! }), 1, { keepDims: true } as object),
        code: 'ArgumentError',
        message: `[${name}] unknown option 'keepDims': did you mean 'keepdims'?`
      },
      {
        what: 'an axis out of range',
        run: () => op(zeros([4, 8], { dtype: dtypes[0]! }), 2),
        code: 'ShapeError',
        message: `[${name === 'std' ? 'variance' : name}] expected axis in [-2, 1], received axis 2`
      },
      {
        what: 'an axis named twice',
        run: () => op(zeros([4, 8], { dtype: dtypes[0]! }), [0, -2]),
        code: 'ArgumentError',
        message: `[${name === 'std' ? 'variance' : name}] expected axis to name each axis once, received [0, -2]`
      }
    ]
  })
}

test.each(['max', 'min', 'argmax', 'argmin'] as const)('there is no %s of nothing', (name) => {
  const refuse = (axis: number | undefined, shape: number[]) =>
    expect(() => ops[name](zeros(shape), axis)).toThrow(
      `[${name}] expected at least one element over axis ${axis ?? 'null'}, received [${shape.join(', ')}]`
    )
  refuse(undefined, [0])
  refuse(undefined, [2, 0])
  refuse(0, [0, 2])
  refuse(-1, [2, 0])
  expect(ops[name](zeros([0, 2]), 1).shape).toEqual([0])
  expect(() => ops[name](zeros([0]), 0)).toThrow(ShapeError)
})

opSuite<Attributes>('prod with zeros', {
  run: ([x], { axis }) => ops.prod(x!, axis),
  reference: ([x], { axis }) => reduce(x!, axesOf(x!, axis), false, (v) => v.reduce((a, b) => a * b, 1)),
  cases: [{ inputs: [input([3, 4], { values: [0, 2, 3, 4, 0, 0, 5, 6, 1, 2, 3, 4] })], attributes: { axis: 1 } }]
})

test('equal extremes share the gradient', async () => {
  const x = tensor([[1, 3, 3, 2]])
  const { grads } = valueAndGrad(() => ops.max(x), [x])
  expect([...(await grads[0]!.data())]).toEqual([0, 0.5, 0.5, 0])
})

const firstOf = (better: (a: number, b: number) => boolean) => (x: Array64, axis: number | undefined, keepdims: boolean) => {
  const along = axis === undefined ? undefined : axis < 0 ? axis + x.shape.length : axis
  const best = (values: number[]) => {
    let at = 0
    values.forEach((v, i) => {
      if (!Number.isNaN(values[at]!) && (Number.isNaN(v) || better(v, values[at]!))) at = i
    })
    return at
  }
  return reduce(x, along === undefined ? x.shape.map((_, i) => i) : [along], keepdims, best)
}

for (const [name, better] of [
  ['argmax', (a: number, b: number) => a > b],
  ['argmin', (a: number, b: number) => a < b]
] as const) {
  const reference = firstOf(better)
  opSuite<{ axis?: number; keepdims?: boolean }>(name, {
    run: ([x], { axis, ...options }) => ops[name](x!, axis, options),
    reference: ([x], { axis, keepdims = false }) => reference(x!, axis, keepdims),
    dtype: 'int32',
    cases: [
      ...(['float32', 'bfloat16', 'int32', 'uint8'] as const).flatMap((dtype) => [
        { inputs: [input([3, 5], { dtype })], attributes: { axis: 1 }, withoutGradient: 'integers' },
        { inputs: [input([4, 3, 67], { dtype })], attributes: { axis: 1 }, withoutGradient: 'integers' },
        { inputs: [input([4, 3, 67], { dtype })], attributes: { axis: -1, keepdims: true }, withoutGradient: 'integers' }
      ]),
      { inputs: [input([5, 7])], attributes: {}, withoutGradient: 'integers' },
      { inputs: [input([5, 7])], attributes: { keepdims: true }, withoutGradient: 'integers' },
      { inputs: [input([1031], { values: [1, 5, 5, -7, -7] })], attributes: { axis: 0 }, withoutGradient: 'integers' },
      { inputs: [input([3, 9], { values: [...specials, ...specials] })], attributes: { axis: 1 }, withoutGradient: 'integers' }
    ]
  })
}

test('the helpers of this file agree with arithmetic done by hand', () => {
  const x: Array64 = { shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) }
  expect([...reduce(x, [0], false, total).data]).toEqual([4, 6])
  expect(position([2, 3], 4)).toEqual([1, 1])
  expect([...pick(x, [2], ([i]) => [i!, 1]).data]).toEqual([2, 4])
})
