// Elementwise ops: broadcasting, every dtype, special values, gradients.
import { type DType, ops, type Tensor, tensor, zeros } from '../../lib'
import { type Case, input, opSuite, plainShapes, specials } from '../support/op-suite'
import { map, zip } from '../support/reference'

type Numbered = { left?: number; right?: number } | undefined

/** Shapes that broadcast in every way, a number on either side, all dtypes. */
function binaryCases(dtypes: readonly DType[], low?: number, high?: number): Case<Numbered>[] {
  const range = low === undefined || high === undefined ? {} : { low, high }
  const pairs = [
    [[], []],
    [[7], [7]],
    [[3, 5], [5]],
    [
      [3, 1],
      [1, 5]
    ],
    [
      [2, 3, 129],
      [3, 1]
    ],
    [[1], [2, 3]],
    [
      [4, 1, 6],
      [5, 1]
    ],
    [
      [2, 1, 3, 1, 5],
      [4, 1, 2, 1]
    ],
    [
      [0, 3],
      [1, 3]
    ],
    [[1031], [1031]]
  ] as const
  return [
    ...dtypes.flatMap((dtype) =>
      pairs
        .slice(0, dtype === 'float32' ? pairs.length : 5)
        .map(([a, b]) => ({ inputs: [input(a, { dtype, ...range }), input(b, { dtype, ...range })] }))
    ),
    ...dtypes
      .filter((dtype) => dtype !== 'bool')
      .flatMap((dtype) => [
        { inputs: [input([3, 7], { dtype, ...range })], attributes: { right: 3 } },
        { inputs: [input([3, 7], { dtype, ...range })], attributes: { left: 2 } }
      ])
  ]
}

const specialPairs: Case<Numbered> = {
  inputs: [input([10, 1], { values: specials }), input([1, 10], { values: specials })],
  withoutGradient: 'special values'
}

interface Binary {
  reference: (a: number, b: number) => number
  dtypes: readonly DType[]
  low?: number
  high?: number
  out?: DType
  /** Why there is no gradient to check. */
  withoutGradient?: string
  tolerance?: number
  /** Whether equal operands, which bfloat16 often has, are a kink. */
  ties?: boolean
}

const floats: readonly DType[] = ['float32', 'bfloat16']
const numeric: readonly DType[] = ['float32', 'bfloat16', 'int32']
const every: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']
const both = (a: number, b: number): boolean => Number.isNaN(a) || Number.isNaN(b)
const truth = (f: (a: number, b: number) => boolean) => (a: number, b: number) => (f(a, b) ? 1 : 0)
const comparison = (f: (a: number, b: number) => boolean): Binary => ({
  reference: truth(f),
  dtypes: every,
  out: 'bool',
  withoutGradient: 'bool'
})
const logical = (f: (a: number, b: number) => boolean): Binary => ({ reference: truth(f), dtypes: ['bool'], withoutGradient: 'bool' })

const binaries: Record<string, Binary> = {
  add: { reference: (a, b) => a + b, dtypes: numeric },
  sub: { reference: (a, b) => a - b, dtypes: numeric },
  mul: { reference: (a, b) => a * b, dtypes: numeric },
  div: { reference: (a, b) => a / b, dtypes: floats, low: 0.5, high: 3 },
  floorDivide: { reference: (a, b) => Math.floor(a / b), dtypes: numeric, low: 1, high: 9, withoutGradient: 'steps' },
  mod: { reference: (a, b) => a - Math.floor(a / b) * b, dtypes: numeric, low: 1, high: 9, withoutGradient: 'jumps' },
  pow: { reference: (a, b) => a ** b, dtypes: floats, low: 0.5, high: 2 },
  maximum: { reference: (a, b) => (both(a, b) ? Number.NaN : Math.max(a, b)), dtypes: numeric, ties: true },
  minimum: { reference: (a, b) => (both(a, b) ? Number.NaN : Math.min(a, b)), dtypes: numeric, ties: true },
  squaredDifference: { reference: (a, b) => (a - b) ** 2, dtypes: numeric, tolerance: 1e-4 },
  equal: comparison((a, b) => a === b),
  notEqual: comparison((a, b) => a !== b),
  less: comparison((a, b) => a < b),
  lessEqual: comparison((a, b) => a <= b),
  greater: comparison((a, b) => a > b),
  greaterEqual: comparison((a, b) => a >= b),
  logicalAnd: logical((a, b) => a === 1 && b === 1),
  logicalOr: logical((a, b) => a === 1 || b === 1),
  logicalXor: logical((a, b) => a !== b)
}

for (const [name, { reference, dtypes, low, high, out, withoutGradient, tolerance, ties }] of Object.entries(binaries)) {
  const op = ops[name as 'add']
  const special = dtypes.includes('float32') && !['floorDivide', 'mod', 'pow'].includes(name)
  opSuite<Numbered>(name, {
    run: ([a, b], numbers) => (numbers?.left !== undefined ? op(numbers.left, a!) : op(a!, numbers?.right ?? b!)),
    reference: ([a, b], numbers) =>
      numbers?.left !== undefined
        ? map(a!, (v) => reference(numbers.left!, v))
        : numbers?.right !== undefined
          ? map(a!, (v) => reference(v, numbers.right!))
          : zip(reference, a!, b!),
    cases: [...binaryCases(dtypes, low, high), ...(special ? [specialPairs] : [])].map((c) => {
      const bfloat16 = c.inputs[0]!.dtype === 'bfloat16'
      const reason = withoutGradient ?? (ties && bfloat16 ? 'ties' : undefined)
      return {
        ...c,
        ...(reason ? { withoutGradient: reason } : {}),
        ...(name === 'squaredDifference' && bfloat16 ? { tolerance: 2 ** -7 } : {})
      }
    }),
    ...(out ? { dtype: out } : {}),
    tolerance: tolerance ?? 1e-5,
    failures: [
      {
        what: 'shapes that do not broadcast',
        run: () => op(zeros([4, 8], { dtype: dtypes[0]! }), zeros([5], { dtype: dtypes[0]! })),
        code: 'ShapeError',
        message: `[${name === 'squaredDifference' ? 'sub' : name}] expected shapes that broadcast, received [4, 8] and [5]`
      },
      {
        what: 'two dtypes',
        run: () => op(zeros([2]), zeros([2], { dtype: 'int32' })),
        code: 'DTypeError',
        message: `[${name === 'squaredDifference' ? 'sub' : name}] expected tensors of one dtype, received float32 and int32: use cast`
      }
    ]
  })
}

describe('integers', () => {
  test.each([
    ['add', [3, 250], [4, 10], [7, 4]],
    ['sub', [7, 3], [4, 4], [3, 255]],
    ['mul', [6, 20], [7, 20], [42, 144]],
    ['maximum', [6, 200], [7, 100], [7, 200]],
    ['minimum', [6, 200], [7, 100], [6, 100]],
    ['floorDivide', [7, 9], [2, 0], [3, 0]],
    ['mod', [7, 9], [4, 0], [3, 0]]
  ] as const)('%s of uint8 wraps around', async (name, a, b, expected) => {
    const [x, y] = [tensor(Uint8Array.from(a)), tensor(Uint8Array.from(b))]
    expect([...(await ops[name](x, y).data())]).toEqual(expected)
  })
  test.each([
    ['floorDivide', [7, -7, 7, -7, 5], [2, 2, -2, -2, 0], [3, -4, -4, 3, 0]],
    ['mod', [7, -7, 7, -7, 5], [2, 2, -2, -2, 0], [1, 1, -1, -1, 0]]
  ] as const)('%s has the sign of Python and gives 0 for a divisor of 0', async (name, a, b, expected) => {
    const [x, y] = [tensor([...a], undefined, { dtype: 'int32' }), tensor([...b], undefined, { dtype: 'int32' })]
    expect([...(await ops[name](x, y).data())]).toEqual(expected)
  })
  test('a fraction beside them is refused', () => {
    expect(() => ops.add(zeros([2], { dtype: 'int32' }), 0.5)).toThrow(
      '[add] expected an integer beside a tensor of dtype int32, received 0.5: use cast'
    )
  })
})

opSuite<{ number?: number } | undefined>('where', {
  run: ([c, a, b], n) => ops.where(c!, a!, n?.number ?? b!),
  reference: ([c, a, b], n) =>
    n?.number === undefined ? zip((p, x, y) => (p ? x : y), c!, a!, b!) : zip((p, x) => (p ? x : n.number!), c!, a!),
  dtype: 'float32',
  cases: [
    { inputs: [input([3, 5], { dtype: 'bool' }), input([3, 5]), input([3, 5])] },
    { inputs: [input([3, 1], { dtype: 'bool' }), input([1, 5]), input([2, 1, 1])] },
    { inputs: [input([257], { dtype: 'bool' }), input([], { values: [Number.NaN] }), input([257])], withoutGradient: 'NaN' },
    { inputs: [input([3, 5], { dtype: 'bool' }), input([3, 5])], attributes: { number: -1.5 } }
  ],
  failures: [
    {
      what: 'a condition that is no bool',
      run: () => ops.where(zeros([2]), zeros([2]), zeros([2])),
      code: 'DTypeError',
      message: '[where] expected condition to be bool, received float32: use cast'
    }
  ]
})

// ---- One operand

/** erf by its series (Abramowitz and Stegun 7.1.5), exact to float64 for small |x|; by the continued fraction 7.1.14 beyond. */
function erf(x: number): number {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? Number.NaN : Math.sign(x)
  const a = Math.abs(x)
  if (a > 6) return Math.sign(x)
  if (a < 3) {
    let term = x
    let total = x
    for (let n = 1; n < 100; n++) {
      term *= (-x * x) / n
      total += term / (2 * n + 1)
    }
    return (2 / Math.sqrt(Math.PI)) * total
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction)
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)))
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => (x > 30 ? x : Math.log1p(Math.exp(x)))
const halfToEven = (x: number) => {
  const r = Math.round(x)
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
}
const [seluScale, seluAlpha] = [1.0507009873554805, 1.6732632423543772]

interface Unary {
  run?: (x: Tensor) => Tensor
  reference: (x: number) => number
  dtypes?: readonly DType[]
  low?: number
  high?: number
  out?: DType
  tolerance?: number
  withoutGradient?: string
  /** Special values that are left out, with the reason in the reference's own limits. */
  withoutSpecials?: boolean
}

const unaries: Record<string, Unary> = {
  neg: { reference: (x) => -x, dtypes: numeric },
  abs: { reference: Math.abs, dtypes: numeric },
  sign: { reference: Math.sign, dtypes: numeric, withoutGradient: 'steps' },
  square: { reference: (x) => x * x, dtypes: numeric },
  reciprocal: { reference: (x) => 1 / x, low: 0.3 },
  exp: { reference: Math.exp },
  expm1: { reference: Math.expm1 },
  log: { reference: Math.log, low: 0.1, high: 9 },
  log1p: { reference: Math.log1p, low: -0.9, high: 9 },
  sqrt: { reference: Math.sqrt, low: 0.1, high: 9 },
  rsqrt: { reference: (x) => 1 / Math.sqrt(x), low: 0.1, high: 9 },
  sin: { reference: Math.sin, low: -9, high: 9, withoutSpecials: true },
  cos: { reference: Math.cos, low: -9, high: 9, withoutSpecials: true },
  tan: { reference: Math.tan, low: -1.2, high: 1.2, withoutSpecials: true },
  tanh: { reference: Math.tanh },
  erf: { reference: erf },
  floor: { reference: Math.floor, withoutGradient: 'steps' },
  ceil: { reference: Math.ceil, withoutGradient: 'steps' },
  round: { reference: halfToEven, withoutGradient: 'steps' },
  sigmoid: { reference: sigmoid },
  logSigmoid: { reference: (x) => -softplus(-x), low: -20, high: 20 },
  softplus: { reference: softplus, low: -20, high: 20 },
  softsign: { reference: (x) => (Number.isFinite(x) ? x / (1 + Math.abs(x)) : Number.NaN), withoutSpecials: true },
  relu: { reference: (x) => Math.max(x, 0) },
  relu6: { reference: (x) => (Number.isNaN(x) ? x : Math.min(Math.max(x, 0), 6)), low: -3, high: 9 },
  leakyRelu: { reference: (x) => (x < 0 ? 0.2 * x : x) },
  elu: { run: (x) => ops.elu(x, { alpha: 1.5 }), reference: (x) => (x < 0 ? 1.5 * Math.expm1(x) : x) },
  selu: { reference: (x) => seluScale * (x < 0 ? seluAlpha * Math.expm1(x) : x) },
  gelu: { reference: (x) => x * 0.5 * (1 + erf(x / Math.SQRT2)), withoutSpecials: true },
  'gelu, approximate': {
    run: (x) => ops.gelu(x, { approximate: true }),
    reference: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    withoutSpecials: true
  },
  silu: { reference: (x) => x * sigmoid(x), withoutSpecials: true },
  hardSigmoid: { reference: (x) => (Number.isNaN(x) ? x : Math.min(Math.max(x / 6 + 0.5, 0), 1)), low: -5, high: 5 },
  clip: {
    run: (x) => ops.clip(x, -1, 1.5),
    reference: (x) => (Number.isNaN(x) ? x : Math.min(Math.max(x, -1), 1.5)),
    dtypes: floats
  },
  isNan: { reference: (x) => (Number.isNaN(x) ? 1 : 0), out: 'bool', withoutGradient: 'bool' },
  isInf: { reference: (x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? 1 : 0), out: 'bool', withoutGradient: 'bool' },
  isFinite: { reference: (x) => (Number.isFinite(x) ? 1 : 0), out: 'bool', withoutGradient: 'bool' },
  copy: { reference: (x) => x, dtypes: every }
}

for (const [name, u] of Object.entries(unaries)) {
  const run = u.run ?? ops[name as 'neg']
  const range = { ...(u.low === undefined ? {} : { low: u.low }), ...(u.high === undefined ? {} : { high: u.high }) }
  const no = u.withoutGradient === undefined ? {} : { withoutGradient: u.withoutGradient }
  opSuite(name, {
    run: ([x]) => run(x!),
    reference: ([x]) => map(x!, u.reference),
    ...(u.out ? { dtype: u.out } : {}),
    tolerance: u.tolerance ?? 1e-5,
    cases: [
      ...plainShapes.map((shape) => ({ inputs: [input(shape, range)], ...no })),
      ...(u.dtypes ?? floats).slice(1).flatMap((dtype) =>
        [
          [3, 5],
          [2, 3, 129]
        ].map((shape) => ({ inputs: [input(shape, { dtype, ...(dtype === 'bfloat16' ? range : {}) })], ...no }))
      ),
      ...(u.withoutSpecials ? [] : [{ inputs: [input([37], { values: specials })], withoutGradient: 'special values' }])
    ]
  })
}

opSuite('logicalNot', {
  run: ([x]) => ops.logicalNot(x!),
  reference: ([x]) => map(x!, (v) => 1 - v),
  cases: [{ inputs: [input([131], { dtype: 'bool' })] }]
})

const saturate = (low: number, high: number) => (x: number) => (Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), high))
const conversions: Record<DType, (x: number) => number> = {
  float32: (x) => x,
  bfloat16: (x) => x,
  int32: saturate(-(2 ** 31), 2 ** 31 - 1),
  uint8: saturate(0, 255),
  bool: (x) => (x === 0 ? 0 : 1)
}
for (const to of every) {
  opSuite(`cast to ${to}`, {
    run: ([x]) => ops.cast(x!, to),
    reference: ([x]) => map(x!, conversions[to]),
    dtype: to,
    cases: [
      ...every.map((dtype) => ({
        inputs: [
          input([3, 45], { dtype, ...(dtype === 'float32' ? { low: -300, high: 300 } : dtype === 'int32' ? { low: 0, high: 256 } : {}) })
        ],
        ...(to === 'float32' || to === 'bfloat16' ? {} : { withoutGradient: 'integers' })
      })),
      { inputs: [input([20], { values: [...specials, 2.5, -2.5, 255.9, 256, -1, 3e9, -3e9] })], withoutGradient: 'special values' }
    ],
    failures: [
      {
        what: 'an unknown dtype',
        run: () => ops.cast(zeros([1]), 'float64' as DType),
        code: 'DTypeError',
        message: '[cast] expected one of float32, bfloat16, int32, uint8, bool, received "float64"'
      }
    ]
  })
}

opSuite<{ shape: readonly number[] }>('broadcastTo', {
  run: ([x], { shape }) => ops.broadcastTo(x!, shape),
  reference: ([x], { shape }) => zip((v) => v, x!, { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) }),
  cases: [
    { inputs: [input([3, 1])], attributes: { shape: [2, 3, 4] } },
    { inputs: [input([])], attributes: { shape: [7] } },
    { inputs: [input([5], { dtype: 'uint8' })], attributes: { shape: [3, 5] } },
    { inputs: [input([2, 3])], attributes: { shape: [2, 3] } }
  ],
  failures: [
    {
      what: 'a smaller shape',
      run: () => ops.broadcastTo(zeros([2, 3]), [3]),
      code: 'ShapeError',
      message: '[broadcastTo] expected a shape that [2, 3] broadcasts to, received [3]'
    }
  ]
})
