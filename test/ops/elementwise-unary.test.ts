// Elementwise ops of one operand: every dtype, special values, gradients.
import { type DType, ops, type Tensor, zeros } from '../../lib'
import { input, opSuite, plainShapes, specials } from '../support/op-suite'
import { map } from '../support/reference'

const floats: readonly DType[] = ['float32', 'bfloat16']
const numeric: readonly DType[] = ['float32', 'bfloat16', 'int32']
const every: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']

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
const integers = [-1, 0, 1, 255, 256, 300, -300, 65_537, 2 ** 31 - 1, -(2 ** 31)]
opSuite('cast of int32 to uint8', {
  run: ([x]) => ops.cast(x!, 'uint8'),
  reference: ([x]) => map(x!, (v) => ((v % 256) + 256) % 256),
  dtype: 'uint8',
  cases: [{ inputs: [input([37], { dtype: 'int32', values: integers })], withoutGradient: 'integers' }]
})
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
      { inputs: [input([20], { values: [...specials, 2.5, -2.5, 255.9, 256, -1, 3e9, -3e9] })], withoutGradient: 'special values' },
      ...(to === 'uint8' ? [] : [{ inputs: [input([37], { dtype: 'int32', values: integers })], withoutGradient: 'special values' }])
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
