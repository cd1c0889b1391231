// Elementwise ops of two operands: broadcasting in every way, every dtype, special values, gradients.
import { ArgumentError, type DType, ops, tensor, zeros } from '../../lib'
import { type Case, input, opSuite, specials } from '../support/op-suite'
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
  test('a number of more than 32 bits beside them is refused', async () => {
    const [i, condition] = [tensor([2 ** 31 - 1, -(2 ** 31)], [2], { dtype: 'int32' }), tensor([true, false])]
    expect([...(await ops.less(i, 2 ** 31 - 1).data())]).toEqual([0, 1])
    expect([...(await ops.equal(-(2 ** 31), i).data())]).toEqual([0, 1])
    for (const value of [2 ** 31, -(2 ** 31) - 1, 2 ** 40]) {
      const message = `expected an integer of 32 bits beside a tensor of dtype int32, received ${value}: use cast`
      for (const name of ['less', 'equal', 'add', 'maximum'] as const) {
        expect(() => ops[name](i, value)).toThrow(`[${name}] ${message}`)
        expect(() => ops[name](value, i)).toThrow(ArgumentError)
      }
      expect(() => ops.where(condition, i, value)).toThrow(`[where] ${message}`)
    }
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
