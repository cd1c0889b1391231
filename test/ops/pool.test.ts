// Pooling: odd sizes, one pixel, strides over and under the window, asymmetric 'same', explicit padding, adaptive; NaN, infinities and ties.
import { ops, type Tensor, tensor, valueAndGrad, zeros } from '../../lib'
import type { PoolOptions } from '../../lib/ops/pool'
import { type Case, input, onEveryDevice, opSuite, specials } from '../support/op-suite'
import { type Array64, array64, offset, position, sizeOf } from '../support/reference'

type Window = (o: number) => [begin: number, end: number]

/** f of the elements of each window; `windows` has one function for each spatial axis. */
function pool(x: Array64, out: readonly number[], windows: readonly Window[], f: (values: number[]) => number): Array64 {
  const [pixels, channels] = [[x.shape[0]!, ...out], x.shape.at(-1)!]
  const y = array64([...pixels, channels])
  for (let pixel = 0; pixel < sizeOf(pixels); pixel++) {
    const at = position(pixels, pixel)
    let places: number[][] = [[at[0]!]]
    windows.forEach((window, axis) => {
      const [begin, end] = window(at[axis + 1]!)
      const size = x.shape[axis + 1]!
      const inside = Array.from({ length: end - begin }, (_, k) => begin + k).filter((p) => p >= 0 && p < size)
      places = places.flatMap((place) => inside.map((p) => [...place, p]))
    })
    const from = places.map((place) => offset(x.shape.slice(0, -1), place) * channels)
    for (let c = 0; c < channels; c++) y.data[pixel * channels + c] = f(from.map((i) => x.data[i + c]!))
  }
  return y
}

function regular(x: Array64, { poolSize, strides, padding = 'valid' }: PoolOptions, f: (values: number[]) => number): Array64 {
  const spatial = x.shape.slice(1, -1)
  const all = (sizes: number | readonly number[]): readonly number[] => (typeof sizes === 'number' ? spatial.map(() => sizes) : sizes)
  const [window, steps] = [all(poolSize), all(strides ?? poolSize)]
  const around = spatial.map((size, i): readonly [number, number] => {
    if (padding === 'valid') return [0, 0]
    if (padding === 'causal') return [window[i]! - 1, 0]
    if (typeof padding === 'number') return [padding, padding]
    if (padding !== 'same') return padding[i]!
    const total = Math.max((Math.ceil(size / steps[i]!) - 1) * steps[i]! + window[i]! - size, 0)
    return [Math.floor(total / 2), total - Math.floor(total / 2)]
  })
  const out = spatial.map((size, i) => Math.floor((size + around[i]![0] + around[i]![1] - window[i]!) / steps[i]!) + 1)
  const windows = spatial.map(
    (_, i): Window =>
      (o) => {
        const begin = o * steps[i]! - around[i]![0]
        return [begin, begin + window[i]!]
      }
  )
  return pool(x, out, windows, f)
}

const maximum = (values: number[]): number => (values.some(Number.isNaN) ? Number.NaN : Math.max(...values))
const total = (values: number[]): number => values.reduce((a, b) => a + b, 0)
const mean = (values: number[]): number => total(values) / values.length

const cases: [readonly number[], PoolOptions][] = [
  [[2, 4, 4, 3], { poolSize: 2 }],
  [[2, 5, 7, 17], { poolSize: 2 }],
  [[1, 1, 1, 1], { poolSize: 1 }],
  [[2, 7, 5, 4], { poolSize: [3, 2], strides: [2, 1] }],
  [[1, 9, 9, 33], { poolSize: 3, strides: 2, padding: 'same' }],
  [[2, 4, 5, 2], { poolSize: 2, padding: 'same' }],
  [[1, 11, 6, 5], { poolSize: 2, strides: 3 }],
  [[1, 3, 3, 64], { poolSize: 3, strides: 1, padding: 'same' }],
  [
    [1, 6, 5, 8],
    {
      poolSize: 3,
      strides: 2,
      padding: [
        [1, 2],
        [0, 1]
      ]
    }
  ],
  [[3, 13, 5], { poolSize: 4, strides: 2 }],
  [[2, 7, 3], { poolSize: 3, strides: 2, padding: 'causal' }],
  [[1, 5, 4, 3], { poolSize: 3, strides: 2, padding: 1 }],
  [[1, 40, 1], { poolSize: 5, strides: 3, padding: 'same' }],
  [[1, 4, 5, 6, 3], { poolSize: [2, 3, 2], strides: [1, 2, 2], padding: 'same' }],
  [[1, 20, 20, 2], { poolSize: 17, strides: 3 }],
  [[1, 33, 31, 16], { poolSize: 2 }],
  [[0, 4, 4, 3], { poolSize: 2 }],
  [[2, 4, 4, 0], { poolSize: 2 }]
]

const inputsOf = (shape: readonly number[], options: PoolOptions): Case<PoolOptions>[] =>
  (['float32', 'bfloat16'] as const).map((dtype) => ({ inputs: [input(shape, { dtype })], attributes: options }))

for (const [name, f] of [
  ['maxPool', maximum],
  ['averagePool', mean],
  ['sumPool', total]
] as const) {
  // The pooled maximum is rough where two elements are nearly equal: bfloat16 has ties, whose gradient has a test of its own.
  const rough = (c: Case<PoolOptions>): Case<PoolOptions> =>
    name === 'maxPool' && c.inputs[0]!.dtype === 'bfloat16' ? { ...c, withoutGradient: 'ties' } : c
  opSuite<PoolOptions>(name, {
    run: ([x], options) => ops[name](x!, options),
    reference: ([x], options) => regular(x!, options, f),
    cases: [
      ...cases.flatMap(([shape, options]) => inputsOf(shape, options).map(rough)),
      {
        inputs: [input([1, 4, 4, 1], { values: [1, Number.NaN, -Infinity, -Infinity, 2, 3, -Infinity, -Infinity, Infinity, 1] })],
        attributes: { poolSize: 2 },
        withoutGradient: 'NaN'
      }
    ],
    failures: [
      {
        what: 'a window larger than the input',
        run: () => ops[name](zeros([1, 3, 3, 1]), { poolSize: [2, 4] }),
        code: 'ShapeError',
        message: `[${name}] expected windows of 4 to fit into axis 2 of [null, 3, 3, null]`
      },
      {
        what: 'an input without pixels',
        run: () => ops[name](zeros([1, 0, 3, 1]), { poolSize: 2 }),
        code: 'ShapeError',
        message: `[${name}] expected windows of 2 to fit into axis 1 of [null, 0, 3, null]`
      },
      {
        what: 'a window over padding only',
        run: () =>
          ops[name](zeros([1, 3, 1]), {
            poolSize: 2,
            padding: [[2, 0]]
          }),
        code: 'ArgumentError',
        message: `[${name}] expected padding to be smaller than the window [2], received [[2, 0]]`
      },
      {
        what: 'a window over padding on both sides of nothing',
        run: () =>
          ops[name](zeros([1, 0, 1]), {
            poolSize: 2,
            padding: [[1, 1]]
          }),
        code: 'ShapeError',
        message: `[${name}] expected an input that is not empty, received [1, 0, 1]`
      },
      {
        what: 'negative padding',
        run: () =>
          ops[name](zeros([1, 3, 1]), {
            poolSize: 2,
            padding: [[-1, 0]]
          }),
        code: 'ArgumentError',
        message: `[${name}] expected padding to be valid, same, causal, a size or 1 pairs [before, after], received [[-1, 0]]`
      },
      {
        what: 'a stride of 0',
        run: () => ops[name](zeros([1, 3, 3, 1]), { poolSize: 2, strides: 0 }),
        code: 'ArgumentError',
        message: `[${name}] expected strides to be an integer of at least 1, or 2 of them, received 0`
      },
      {
        what: 'a negative stride',
        run: () => ops[name](zeros([1, 3, 3, 1]), { poolSize: 2, strides: [1, -1] }),
        code: 'ArgumentError',
        message: `[${name}] expected strides to be an integer of at least 1, or 2 of them, received [1, -1]`
      },
      {
        what: 'a matrix',
        run: () => ops[name](zeros([3, 3]), { poolSize: 2 }),
        code: 'ShapeError',
        message: `[${name}] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [3, 3]`
      },
      {
        what: 'integers',
        run: () => ops[name](zeros([1, 3, 1], { dtype: 'int32' }), { poolSize: 2 }),
        code: 'DTypeError',
        message: `[${name}] expected x to be float32 or bfloat16, received int32: use cast`
      }
    ]
  })
}

const parts: [readonly number[], readonly number[]][] = [
  [[2, 7, 3], [3]],
  [
    [1, 5, 8, 4],
    [2, 3]
  ],
  [
    [1, 3, 2, 5],
    [4, 2]
  ],
  [
    [1, 4, 5, 6, 2],
    [2, 2, 4]
  ],
  [
    [2, 6, 6, 17],
    [1, 1]
  ]
]
/** Numbers that bfloat16 tells apart: differences show no gradient where two are largest. */
const distinct = Array.from({ length: 251 }, (_, i) => (((i * 37) % 251) - 125) / 64)
for (const [name, f] of [
  ['adaptiveMaxPool', maximum],
  ['adaptiveAveragePool', mean]
] as const) {
  opSuite<{ outputSize: readonly number[] }>(name, {
    run: ([x], { outputSize }) => ops[name](x!, outputSize),
    reference: ([x], { outputSize }) => {
      const windows = outputSize.map((n, i): Window => {
        const size = x!.shape[i + 1]!
        return (o) => [Math.floor((o * size) / n), Math.ceil(((o + 1) * size) / n)]
      })
      return pool(x!, outputSize, windows, f)
    },
    cases: [
      ...parts.flatMap(([shape, outputSize]) => [
        { inputs: [input(shape)], attributes: { outputSize } },
        { inputs: [input(shape, { dtype: 'bfloat16', values: distinct })], attributes: { outputSize } }
      ]),
      ...(['float32', 'bfloat16'] as const).flatMap((dtype) => [
        {
          inputs: [input([2, 5, 7, 9], { dtype, values: specials })],
          attributes: { outputSize: [2, 3] },
          withoutGradient: 'NaN and infinities'
        },
        { inputs: [input([0, 5, 7, 9], { dtype })], attributes: { outputSize: [2, 3] } }
      ])
    ],
    failures: [
      {
        what: 'nothing to divide',
        run: () => ops[name](zeros([1, 0, 1]), 2),
        code: 'ShapeError',
        message: `[${name}] expected an input that is not empty, received [1, 0, 1]`
      }
    ]
  })
}

describe('gradients that finite differences do not show', () => {
  onEveryDevice(() => {
    const gradient = async (x: Tensor, options: PoolOptions): Promise<number[]> => {
      const { value, grads } = valueAndGrad(() => ops.maxPool(x, options).sum(), [x])
      const data = [...(await grads[0]!.data())]
      for (const t of [value, ...grads, x]) t.dispose()
      return data
    }
    test('the first of equals gets it', async () => {
      expect(await gradient(tensor([3, 3, 1, 1, 1, 1], [1, 6, 1]), { poolSize: 2 })).toEqual([1, 0, 1, 0, 1, 0])
      expect(await gradient(tensor([0, 5, 5, 0], [1, 2, 2, 1]), { poolSize: 2 })).toEqual([0, 1, 0, 0])
    })
    test('an element that wins twice gets both', async () => {
      expect(await gradient(tensor([0, 9, 0], [1, 3, 1]), { poolSize: 2, strides: 1 })).toEqual([0, 2, 0])
    })
    test('NaN and minus infinity win as any other', async () => {
      expect(await gradient(tensor([1, Number.NaN, Number.NaN, 2], [1, 4, 1]), { poolSize: 4 })).toEqual([0, 1, 0, 0])
      expect(await gradient(tensor([-Infinity, -Infinity], [1, 2, 1]), { poolSize: 2, padding: 'same' })).toEqual([1, 0])
    })
    test('average and sum can be differentiated twice', async () => {
      const x = tensor([1, 2, 3, 4], [1, 4, 1])
      const inner = (): Tensor => valueAndGrad(() => ops.averagePool(x, { poolSize: 2 }).square().sum(), [x]).grads[0]!
      const { value, grads } = valueAndGrad(() => inner().square().sum(), [x])
      // y = (x₀ + x₁) / 2, dx = y: the derivative of Σ dx² is 2 y for each element.
      expect([...(await grads[0]!.data())]).toEqual([3, 3, 7, 7])
      for (const t of [value, ...grads, x]) t.dispose()
    })
  })
})
