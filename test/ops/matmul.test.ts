// Matrix products: transposes, batches, rank 1, bias, activations, both float dtypes.
import { type DType, ops, setPrecision, tensor, valueAndGrad, zeros } from '../../lib'
import { type Case, input, opSuite, testDevices } from '../support/op-suite'
import { type Array64, map, matmul, swapLast, zip } from '../support/reference'

interface Attributes {
  transposeA?: boolean
  transposeB?: boolean
  activation?: 'relu' | 'sigmoid' | 'tanh'
}

const activations = { relu: (x: number) => Math.max(x, 0), sigmoid: (x: number) => 1 / (1 + Math.exp(-x)), tanh: Math.tanh }

function reference([a, b, bias]: Array64[], { transposeA, transposeB, activation }: Attributes): Array64 {
  const product = matmul(transposeA ? swapLast(a!) : a!, transposeB ? swapLast(b!) : b!)
  const z = bias ? zip((x, y) => x + y, product, bias) : product
  return activation ? map(z, activations[activation]) : z
}

const sizes: [readonly number[], readonly number[]][] = [
  [
    [1, 1],
    [1, 1]
  ],
  [
    [3, 5],
    [5, 2]
  ],
  [
    [17, 33],
    [33, 9]
  ],
  [
    [1, 129],
    [129, 7]
  ],
  [
    [65, 1],
    [1, 66]
  ],
  [
    [70, 131],
    [131, 67]
  ],
  [
    [2, 3, 5],
    [5, 4]
  ],
  [
    [2, 3, 5],
    [2, 5, 4]
  ],
  [
    [2, 1, 3, 5],
    [3, 5, 4]
  ],
  [
    [0, 5],
    [5, 4]
  ],
  [
    [3, 0],
    [0, 4]
  ]
]

const swapped = ([...shape]: readonly number[]): number[] => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!]

function cases(dtype: DType): Case<Attributes>[] {
  const plain = sizes.flatMap(([a, b], i) =>
    [
      [false, false],
      [true, false],
      [false, true],
      [true, true]
    ]
      .filter((_, j) => i > 0 || j === 0)
      .map(([transposeA, transposeB]) => ({
        inputs: [input(transposeA ? swapped(a) : a, { dtype }), input(transposeB ? swapped(b) : b, { dtype })],
        attributes: { ...(transposeA ? { transposeA } : {}), ...(transposeB ? { transposeB } : {}) }
      }))
  )
  const fused = ([undefined, 'relu', 'sigmoid', 'tanh'] as const).flatMap((activation) =>
    [
      [3, 5, 2],
      [33, 65, 67]
    ].map(([m, k, n]) => ({
      inputs: [input([m!, k!], { dtype, low: -0.5, high: 0.5 }), input([k!, n!], { dtype, low: -0.5, high: 0.5 }), input([n!], { dtype })],
      attributes: activation ? { activation } : {},
      // Near 0 the reference and bfloat16 may be on two sides of the kink.
      ...(dtype === 'bfloat16' && activation === 'relu' ? { withoutGradient: 'kink' } : {})
    }))
  )
  return [...plain, ...fused]
}

opSuite<Attributes>('matmul', {
  run: ([a, b, bias], options) => ops.matmul(a!, b!, { ...options, bias: bias ?? null }),
  reference,
  cases: [
    ...cases('float32'),
    ...cases('bfloat16').map((c) => ({ ...c, tolerance: 4e-3 })),
    { inputs: [input([2, 3], { values: [Number.NaN, 1, 2, 3, 4, 5] }), input([3, 2])], attributes: {}, withoutGradient: 'NaN' },
    {
      inputs: [input([2, 3], { values: [Number.NaN, 1, 2, 3, 4, 5] }), input([3, 2]), input([2])],
      attributes: { activation: 'relu' },
      withoutGradient: 'NaN'
    },
    {
      inputs: [input([2, 2], { values: [Number.POSITIVE_INFINITY, 1, 2, 3] }), input([2, 2], { values: [1, 1, 1, 1] })],
      attributes: {},
      withoutGradient: 'infinite'
    }
  ],
  tolerance: 2e-5,
  failures: [
    {
      what: 'an option that it does not have',
      run: () => ops.matmul(zeros([4, 8]), zeros([8, 2]), { transpose_b: true } as ops.MatmulOptions),
      code: 'ArgumentError',
      message: '[matmul] expected the option transposeB, received transpose_b'
    },
    {
      what: 'sizes that do not fit',
      run: () => ops.matmul(zeros([4, 8]), zeros([3, 2])),
      code: 'ShapeError',
      message: '[matmul] expected [..., M, K] and [..., K, N], received [4, 8] and [3, 2]'
    },
    {
      what: 'two dtypes',
      run: () => ops.matmul(zeros([4, 8]), zeros([8, 2], { dtype: 'int32' })),
      code: 'DTypeError',
      message: '[matmul] expected tensors of one dtype, received float32 and int32: use cast'
    },
    {
      what: 'integers',
      run: () => ops.matmul(zeros([4, 8], { dtype: 'int32' }), zeros([8, 2], { dtype: 'int32' })),
      code: 'DTypeError',
      message: '[matmul] expected a to be float32 or bfloat16, received int32: use cast'
    },
    {
      what: 'batches that do not broadcast',
      run: () => ops.matmul(zeros([2, 4, 8]), zeros([3, 8, 2])),
      code: 'ShapeError',
      message: '[matmul] expected shapes that broadcast, received [2] and [3]'
    },
    {
      what: 'a bias of another width',
      run: () => ops.matmul(zeros([4, 8]), zeros([8, 2]), { bias: zeros([3]) }),
      code: 'ShapeError',
      message: '[matmul] expected bias to be [2], received [3]'
    },
    {
      what: 'an activation that is not fused',
      run: () => ops.matmul(zeros([4, 8]), zeros([8, 2]), { activation: 'gelu' as 'relu' }),
      code: 'ArgumentError',
      message: '[matmul] expected activation to be one of none, relu, sigmoid, tanh, received "gelu"'
    }
  ]
})

test('an operand of rank 1 is a row or a column', async () => {
  const [v, m] = [
    tensor([1, 2]),
    tensor([
      [3, 4, 5],
      [6, 7, 8]
    ])
  ]
  const row = v.matmul(m)
  expect([row.shape, [...(await row.data())]]).toEqual([[3], [15, 18, 21]])
  const column = m.matmul(v, { transposeA: true })
  expect([column.shape, [...(await column.data())]]).toEqual([[3], [15, 18, 21]])
  const dot = v.matmul(v)
  expect([dot.shape, await dot.item()]).toEqual([[], 5])
  const { grads } = valueAndGrad(() => v.matmul(m).sum(), [v, m])
  expect([...(await grads[0]!.data()), ...(await grads[1]!.data())]).toEqual([12, 21, 1, 1, 1, 2, 2, 2])
})

test('each precision keeps its grade', async () => {
  const n = 64
  const values = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i * 0.37))
  const exact = matmul({ shape: [n, n], data: Float64Array.from(values) }, { shape: [n, n], data: Float64Array.from(values) })
  const x = tensor(values, [n, n])
  try {
    for (const [precision, bound] of [
      ['highest', 1e-5],
      ['high', 1e-2],
      ['medium', 1e-1]
    ] as const) {
      setPrecision(precision)
      const received = await x.matmul(x).data()
      const worst = Math.max(...received.map((v, i) => Math.abs(v - exact.data[i]!)))
      expect({ precision, ok: worst < bound * Math.sqrt(n), worst }).toMatchObject({ precision, ok: true })
    }
  } finally {
    setPrecision('highest')
  }
  expect(testDevices().run.length).toBeGreaterThan(0)
})
