// Batch, group, layer, rms and unit norm: statistics of large means, one value, short and long rows, groups; gradients of every operand.
import { ops, type Tensor, tensor, valueAndGrad, zeros } from '../../lib'
import type { BatchNormOptions } from '../../lib/ops/normalization'
import { type Case, input, onEveryDevice, opSuite } from '../support/op-suite'
import { type Array64, array64, reduce, sizeOf, zip } from '../support/reference'

const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length
const variance = (v: number[]): number => {
  const m = mean(v)
  return mean(v.map((x) => (x - m) ** 2))
}
const relu = (v: number): number => Math.max(v, 0)

/** (x - mean) / sqrt(variance + epsilon) over `axes`. */
function standardized(x: Array64, axes: readonly number[], epsilon: number): Array64 {
  const scale = (v: number, m: number, s: number): number => (v - m) / Math.sqrt(s + epsilon)
  return zip(scale, x, reduce(x, axes, true, mean), reduce(x, axes, true, variance))
}

const shapes: readonly (readonly number[])[] = [
  [4, 3],
  [7, 1],
  [2, 3, 5, 17],
  [33, 64],
  [3, 5, 128],
  [2, 600],
  [70, 6, 3],
  [1100, 2],
  [5, 1030]
]
const dtypes = ['float32', 'bfloat16'] as const

interface Options extends Pick<BatchNormOptions, 'activation' | 'epsilon'> {
  residual?: boolean
}
const settings: Options[] = [{}, { activation: 'relu', epsilon: 1e-5 }, { residual: true }, { activation: 'relu', residual: true }]

/** x, gamma, beta and residual. gamma and beta stay float32. */
function operands(shape: readonly number[], dtype: 'float32' | 'bfloat16', { residual }: Options): Case<Options>['inputs'] {
  const channels = input(shape.slice(-1), { low: 0.5, high: 1.5 })
  return [input(shape, { dtype }), channels, channels, ...(residual ? [input(shape, { dtype })] : [])]
}
/** Central differences that cross the kink of relu are of no use: among many elements some do. And large cases take long. */
const rough = (shape: readonly number[], dtype: string, { activation }: Options): string | undefined =>
  dtype === 'bfloat16' && sizeOf(shape) > 200
    ? 'as in float32'
    : activation === 'relu' && (dtype === 'bfloat16' || sizeOf(shape) > 1000)
      ? 'kinks'
      : undefined

function casesOf(make: (shape: readonly number[]) => (c: Case<Options>) => Case<Options>): Case<Options>[] {
  return dtypes.flatMap((dtype) =>
    shapes.flatMap((shape) =>
      (sizeOf(shape) > 200 ? settings.filter((_, i) => i % 3 === 0) : settings).map((attributes) => {
        const reason = rough(shape, dtype, attributes)
        return make(shape)({ inputs: operands(shape, dtype, attributes), attributes, ...(reason && { withoutGradient: reason }) })
      })
    )
  )
}
const finish = (xhat: Array64, [, gamma, beta, residual]: Array64[], { activation }: Options): Array64 => {
  const f = activation === 'relu' ? relu : (v: number) => v
  return zip((v, g, b, r) => f(v * g! + b! + r!), xhat, gamma!, beta!, residual ?? array64([1]))
}
const optionsOf = ([, gamma, beta, residual]: Tensor[], { activation, epsilon }: Options): BatchNormOptions => ({
  gamma,
  beta,
  residual,
  activation,
  epsilon
})

opSuite<Options>('batchNormTraining', {
  run: (inputs, options) => ops.batchNormTraining(inputs[0]!, optionsOf(inputs, options))[0],
  reference: (inputs, options) => {
    const [x] = inputs as [Array64]
    const axes = x.shape.map((_, i) => i).slice(0, -1)
    return finish(standardized(x, axes, options.epsilon ?? 1e-3), inputs, options)
  },
  tolerance: 3e-5,
  cases: [
    ...casesOf(() => (c) => c),
    { inputs: [input([1, 4]), input([4]), input([4])], attributes: {} },
    {
      inputs: [input([64, 3], { low: 1000, high: 1001 }), input([3]), input([3])],
      attributes: {},
      tolerance: 1e-3,
      withoutGradient: 'rounding'
    },
    { inputs: [input([5, 2], { values: [1, Number.NaN] }), input([2]), input([2])], attributes: {}, withoutGradient: 'NaN' }
  ],
  failures: [
    {
      what: 'an empty batch',
      run: () => ops.batchNormTraining(zeros([0, 3])),
      code: 'ShapeError',
      message: '[batchNormTraining] expected a batch that is not empty, received [0, 3]'
    },
    {
      what: 'gamma of another size',
      run: () => ops.batchNormTraining(zeros([2, 3]), { gamma: zeros([4]) }),
      code: 'ShapeError',
      message: '[batchNormTraining] expected gamma to be [3], received [4]'
    },
    {
      what: 'gamma in bfloat16',
      run: () => ops.batchNormTraining(zeros([2, 3]), { gamma: zeros([3], { dtype: 'bfloat16' }) }),
      code: 'DTypeError',
      message: '[batchNormTraining] expected gamma to be float32, received bfloat16: use cast'
    },
    {
      what: 'an epsilon of 0',
      run: () => ops.batchNormTraining(zeros([2, 3]), { epsilon: 0 }),
      code: 'ArgumentError',
      message: '[batchNormTraining] expected epsilon to be a positive number, received 0'
    },
    {
      what: 'a residual of another shape',
      run: () => ops.batchNormTraining(zeros([2, 3]), { residual: zeros([1, 3]) }),
      code: 'ShapeError',
      message: '[batchNormTraining] expected residual to be [2, 3], received [1, 3]'
    }
  ]
})

opSuite<Options>('batchNorm', {
  run: ([x, m, v, ...rest], options) => ops.batchNorm(x!, m!, v!, optionsOf([x!, ...rest], options)),
  reference: ([x, m, v, ...rest], options) => {
    const epsilon = options.epsilon ?? 1e-3
    const xhat = zip((a, b, c) => (a - b!) / Math.sqrt(c! + epsilon), x!, m!, v!)
    return finish(xhat, [x!, ...rest], options)
  },
  tolerance: 3e-5,
  cases: [
    ...casesOf((shape) => (c) => {
      const [x, ...rest] = c.inputs
      const statistics = [input(shape.slice(-1)), input(shape.slice(-1), { low: 0.2, high: 2 })]
      return { ...c, inputs: [x!, ...statistics, ...rest] }
    }),
    {
      inputs: [input([0, 3]), input([3]), input([3], { low: 1 }), input([3]), input([3])],
      attributes: {},
      withoutGradient: 'nothing there'
    }
  ],
  failures: [
    {
      what: 'a mean of another size',
      run: () => ops.batchNorm(zeros([2, 3]), zeros([2]), zeros([3])),
      code: 'ShapeError',
      message: '[batchNorm] expected mean to be [3], received [2]'
    }
  ]
})

describe('infinite values with constant statistics', () => {
  onEveryDevice(() => {
    // As PyTorch: dx is dy scaled, where relu lets it pass; dgamma is NaN. Widths for vectors and for single elements.
    const widths = [1, 3, 8, 32]
    test.each(widths.flatMap((channels) => (['none', 'relu'] as const).map((activation) => [channels, activation] as const)))(
      '%i channels, %s',
      async (channels, activation) => {
        const rows = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1, -3]
        const x = tensor(
          rows.flatMap((v) => new Array<number>(channels).fill(v)),
          [4, channels]
        )
        const [mean, variance, gamma, beta] = [0.25, 3, 2, 0.5].map((v) => ops.full([channels], v))
        const { value, grads } = valueAndGrad(
          () => ops.batchNorm(x, mean!, variance!, { gamma, beta, epsilon: 1, activation }).slice([2, 0], [1, 1]).sum(),
          [x]
        )
        const all = valueAndGrad(() => {
          const y = ops.batchNorm(x, mean!, variance!, { gamma, beta, epsilon: 1, activation })
          return y.sum()
        }, [x, gamma!, beta!])
        expect(await value.item()).toBe(1.25)
        expect([...(await grads[0]!.data())]).toEqual(
          rows.flatMap((v) => Array.from({ length: channels }, (_, c) => (v === 1 && c === 0 ? 1 : 0)))
        )
        const passed = activation === 'relu' ? [0, 1, 1, 0] : [1, 1, 1, 1]
        expect([...(await all.grads[0]!.data())]).toEqual(passed.flatMap((v) => new Array<number>(channels).fill(v)))
        expect([...(await all.grads[1]!.data())]).toEqual(new Array<number>(channels).fill(Number.NaN))
        expect([...(await all.grads[2]!.data())]).toEqual(new Array<number>(channels).fill(passed.reduce((a, b) => a + b)))
        for (const t of [x, mean!, variance!, gamma!, beta!, value, ...grads, all.value, ...all.grads]) t.dispose()
      }
    )
  })
})

describe('statistics of a batch', () => {
  onEveryDevice(() => {
    test.each([
      [[4096, 3], 1e4, 1],
      [[100000, 1], 1e3, 0.1],
      [[3000, 40], -5e3, 2],
      [[9, 2000], 100, 1]
    ])('of %j around %p', async (shape, center, spread) => {
      const [rows, channels] = shape as [number, number]
      const values = Float32Array.from({ length: rows * channels }, (_, i) => center + spread * Math.sin(i * 12.9898 + (i % 7)))
      const x = tensor(values, shape)
      const [y, m, v] = ops.batchNormTraining(x)
      const [means, variances] = [await m.data(), await v.data()]
      for (const c of [0, channels - 1]) {
        const column = Array.from({ length: rows }, (_, r) => values[r * channels + c]!)
        expect(Math.abs(means[c]! - mean(column))).toBeLessThan(1e-6 * Math.abs(center))
        expect(Math.abs(variances[c]! / variance(column) - 1)).toBeLessThan(5e-5)
      }
      for (const t of [x, y, m, v]) t.dispose()
    })
  })
})

describe('the way back through relu', () => {
  onEveryDevice(() => {
    // Nine values, of which beta moves one to 0, one of its neighbours or 0 itself, by channel.
    test.each(['float32', 'bfloat16'] as const)('passes exactly where the result is positive, in %s', async (dtype) => {
      const [rows, channels] = [3000, 40]
      const x = tensor(
        Float32Array.from({ length: rows * channels }, (_, i) => ((i * 7919) % 9) - 4),
        [rows, channels]
      ).cast(dtype)
      const gamma = tensor(Float32Array.from({ length: channels }, (_, c) => 0.3 + 0.07 * c))
      const beta = ops.neg(ops.batchNormTraining(x.cast('float32'), { gamma })[0].slice([5, 0], [1, channels]).reshape([channels]))
      const nudged = ops.add(beta, tensor(Float32Array.from({ length: channels }, (_, c) => ((c % 3) - 1) * 1e-7)))
      const { aux, grads } = valueAndGrad(() => {
        const [y] = ops.batchNormTraining(x, { gamma, beta: nudged, activation: 'relu' })
        return [y.sum(), y]
      }, [nudged])
      const values = await (aux[0] as Tensor).data()
      const passed = await grads[0]!.data()
      const expected = Array.from(
        { length: channels },
        (_, c) => Array.from({ length: rows }, (_, r) => values[r * channels + c]!).filter((v) => v > 0).length
      )
      expect(Array.from(passed)).toEqual(expected)
    })
  })
})

interface Grouped {
  groups: number
}
opSuite<Grouped>('groupNorm', {
  run: ([x, gamma, beta], { groups }) => ops.groupNorm(x!, groups, { gamma, beta }),
  reference: ([x, gamma, beta], { groups }) => {
    const channels = x!.shape.at(-1)!
    const split = { shape: [...x!.shape.slice(0, -1), groups, channels / groups], data: x!.data }
    const axes = split.shape.map((_, i) => i).filter((i) => i !== 0 && i !== split.shape.length - 2)
    const xhat = { shape: x!.shape, data: standardized(split, axes, 1e-3).data }
    return zip((v, g, b) => v * g! + b!, xhat, gamma!, beta!)
  },
  tolerance: 3e-5,
  cases: dtypes.flatMap((dtype) =>
    (
      [
        [[2, 3, 5, 8], 4],
        [[3, 7, 6], 6],
        [[2, 4, 4, 32], 1],
        [[4, 10], 2],
        [[1, 600, 9], 3],
        [[2, 5, 1024], 32],
        [[0, 3, 4], 2]
      ] as const
    ).map(([shape, groups]) => ({
      inputs: [input(shape, { dtype }), input(shape.slice(-1)), input(shape.slice(-1))],
      attributes: { groups }
    }))
  ),
  failures: [
    {
      what: 'groups that do not divide',
      run: () => ops.groupNorm(zeros([2, 6]), 4),
      code: 'ArgumentError',
      message: '[groupNorm] expected a number of groups that divides 6 channels, received 4'
    }
  ]
})

interface Axes {
  axis: number | readonly number[]
}
const rows: [readonly number[], number | readonly number[]][] = [
  [[3, 5], -1],
  [
    [2, 3, 4],
    [1, 2]
  ],
  [[2, 3, 4], 1],
  [[40, 7], -1],
  [[3, 129], 1],
  [[2, 1031], -1],
  [[300, 40], -1],
  [[4, 1], -1],
  [[6], 0],
  [
    [3, 4, 5],
    [0, 2]
  ]
]
const listOf = ({ shape }: Array64, axis: number | readonly number[]): number[] =>
  (typeof axis === 'number' ? [axis] : [...axis]).map((a) => (a < 0 ? a + shape.length : a))
/** A parameter of the sizes of the axes, in ascending order, so that it broadcasts against x. */
const along = (x: Array64, { data }: Array64, axis: number | readonly number[]): Array64 => {
  const axes = listOf(x, axis)
  return { shape: x.shape.map((size, d) => (axes.includes(d) ? size : 1)), data }
}
const rowCases = (parameters: number): Case<Axes>[] =>
  dtypes.flatMap((dtype) =>
    rows.map(([shape, axis]) => {
      const sizes = (typeof axis === 'number' ? [axis] : axis).map((a) => shape.at(a)!)
      return { inputs: [input(shape, { dtype }), ...new Array(parameters).fill(input(sizes))], attributes: { axis } }
    })
  )

opSuite<Axes>('layerNorm', {
  run: ([x, gamma, beta], { axis }) => ops.layerNorm(x!, axis, { gamma, beta }),
  reference: ([x, gamma, beta], { axis }) =>
    zip((v, g, b) => v * g! + b!, standardized(x!, listOf(x!, axis), 1e-3), along(x!, gamma!, axis), along(x!, beta!, axis)),
  tolerance: 3e-5,
  cases: [
    ...rowCases(2),
    { inputs: [input([2, 3], { values: [1, Number.NaN, 2] }), input([3]), input([3])], attributes: { axis: -1 }, withoutGradient: 'NaN' },
    { inputs: [input([0, 3]), input([3]), input([3])], attributes: { axis: -1 } }
  ],
  failures: [
    {
      what: 'gamma of other sizes',
      run: () => ops.layerNorm(zeros([2, 3, 4]), [1, 2], { gamma: zeros([12]) }),
      code: 'ShapeError',
      message: '[layerNorm] expected gamma to be [3, 4], received [12]'
    },
    {
      what: 'no axis',
      run: () => ops.layerNorm(zeros([2, 3]), []),
      code: 'ArgumentError',
      message: '[layerNorm] expected at least one axis, received []'
    }
  ]
})

const divided = (x: Array64, axis: number | readonly number[], divisor: (v: number[]) => number): Array64 =>
  zip((v, d) => v / d!, x, reduce(x, listOf(x, axis), true, divisor))

opSuite<Axes>('rmsNorm', {
  run: ([x, gamma], { axis }) => ops.rmsNorm(x!, axis, { gamma }),
  reference: ([x, gamma], { axis }) =>
    zip(
      (v, g) => v * g!,
      divided(x!, axis, (v) => Math.sqrt(mean(v.map((a) => a * a)) + 1e-6)),
      along(x!, gamma!, axis)
    ),
  tolerance: 3e-5,
  cases: rowCases(1)
})

opSuite<Axes>('unitNorm', {
  run: ([x], { axis }) => ops.unitNorm(x!, axis),
  reference: ([x], { axis }) => divided(x!, axis, (v) => Math.max(Math.hypot(...v), 1e-12)),
  tolerance: 3e-5,
  cases: [
    ...rowCases(0).filter((c) => c.inputs[0]!.shape.at(-1) !== 1),
    { inputs: [input([2, 3], { values: [0, 0, 0] })], attributes: { axis: -1 }, withoutGradient: 'a kink' }
  ]
})
