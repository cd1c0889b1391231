// NaN on the way back: it reaches the gradients that depend on it, and nothing else. What depends on an element is found by giving it other
// values, so that no formula is written twice.
import { ops, setPrecision, type Tensor, tensor, valueAndGrad } from '../../lib'
import { onEveryDevice } from '../support/op-suite'

interface Case {
  name: string
  /** Shapes of the operands. */
  shapes: readonly (readonly number[])[]
  run: (...operands: Tensor[]) => Tensor
  /** Values that tell dependence: large ones where a sign decides. Default: moderate ones. */
  probes?: readonly number[]
  /** Operands that are kernels: on the way back they also meet zeros around the image, which are none of its elements. */
  kernels?: readonly number[]
}

const [moderate, signs] = [
  [3, -2.5, 1.1],
  [9e4, -8e4]
]
const matmul = (name: string, [m, k, n]: readonly [number, number, number], activation: 'none' | 'relu' | 'sigmoid' | 'tanh'): Case => ({
  name: `matmul ${name}, ${activation}`,
  shapes: [[m, k], [k, n], [n]],
  run: (a, b, bias) => ops.matmul(a!, b!, { bias, activation }),
  ...(activation === 'relu' && { probes: signs })
})
const conv = (name: string, x: readonly number[], w: readonly number[], options: ops.ConvOptions = {}): Case => ({
  name: `conv ${name}${options.activation ? `, ${options.activation}` : ''}`,
  shapes: [x, w, w.slice(-1)],
  run: (a, b, bias) => ops.conv(a!, b!, { ...options, bias }),
  kernels: [1],
  ...(options.activation === 'relu' && { probes: signs })
})
const ofX = (name: string, shape: readonly number[], run: (x: Tensor) => Tensor): Case => ({ name, shapes: [shape], run: (x) => run(x!) })

const cases: Case[] = [
  ...(['none', 'relu', 'sigmoid', 'tanh'] as const).map((activation) => matmul('small', [3, 2, 3], activation)),
  ...(['none', 'relu'] as const).flatMap((activation) => [
    matmul('large', [70, 67, 69], activation),
    matmul('of a row', [1, 67, 69], activation)
  ]),
  conv('1-D, causal', [3, 9, 5], [3, 5, 3], { padding: 'causal' }),
  conv('of few channels', [2, 6, 7, 3], [3, 3, 3, 4], { strides: 2, activation: 'relu' }),
  conv('of many channels', [3, 9, 9, 33], [3, 3, 33, 34], { padding: 'same' }),
  conv('of many channels', [3, 9, 9, 33], [3, 3, 33, 34], { padding: 'same', activation: 'relu' }),
  conv('by tiles', [3, 13, 13, 64], [3, 3, 64, 64], { padding: 'same', activation: 'relu' }),
  conv('of one pixel', [2, 6, 7, 33], [1, 1, 33, 17], { activation: 'relu' }),
  conv('of one pixel', [2, 3, 3, 2], [1, 1, 2, 5], { activation: 'tanh' }),
  conv('in groups', [3, 7, 7, 8], [3, 3, 4, 8], { groups: 2, dilationRate: 2, padding: 'same' }),
  conv('by channel', [3, 7, 7, 9], [3, 3, 1, 9], { groups: 9, padding: 'same', activation: 'relu' }),
  conv('3-D', [1, 5, 3, 5, 2], [2, 2, 2, 2, 3], { padding: 'same' }),
  {
    name: 'convTranspose',
    shapes: [
      [2, 3, 4, 5],
      [3, 3, 3, 5]
    ],
    run: (x, w) => ops.convTranspose(x!, w!, { strides: 2 }),
    kernels: [1]
  },
  ...(['averagePool', 'sumPool'] as const).map((op) =>
    ofX(op, [2, 6, 7, 5], (x) => ops[op](x, { poolSize: 3, strides: 2, padding: 'same' }))
  ),
  ofX('adaptiveAveragePool', [2, 5, 7, 3], (x) => ops.adaptiveAveragePool(x, 3)),
  ...(['nearest', 'bilinear', 'bicubic'] as const).map((interpolation) =>
    ofX(`resize ${interpolation}`, [2, 5, 4, 3], (x) => ops.resize(x, [8, 7], { interpolation }))
  ),
  {
    name: 'layerNorm',
    shapes: [[3, 33], [33], [33]],
    run: (x, gamma, beta) => ops.layerNorm(x!, -1, { gamma, beta, epsilon: 1e-3 })
  },
  { name: 'rmsNorm', shapes: [[3, 33], [33]], run: (x, gamma) => ops.rmsNorm(x!, -1, { gamma, epsilon: 1e-3 }) },
  ofX('unitNorm', [3, 17], (x) => ops.unitNorm(x)),
  {
    name: 'groupNorm',
    shapes: [[2, 5, 6], [6], [6]],
    run: (x, gamma, beta) => ops.groupNorm(x!, 3, { gamma, beta, epsilon: 1e-3 })
  },
  {
    name: 'batchNormTraining',
    shapes: [[4, 3, 33], [33], [33]],
    run: (x, gamma, beta) => ops.batchNormTraining(x!, { gamma, beta, epsilon: 1e-3 })[0]
  },
  {
    name: 'batchNormTraining, relu',
    shapes: [[4, 3, 7], [7], [7]],
    run: (x, gamma, beta) => ops.batchNormTraining(x!, { gamma, beta, epsilon: 1e-3, activation: 'relu' })[0]
  },
  {
    name: 'batchNorm',
    shapes: [[4, 3, 7], [7], [7], [7]],
    run: (x, mean, gamma, beta) => ops.batchNorm(x!, mean!, ops.onesLike(mean!), { gamma, beta, epsilon: 1e-3 })
  }
]

/** Numbers of both signs, none of them near 0. */
function numbersFor(operand: number, shape: readonly number[]): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1)
  return Float32Array.from({ length: size }, (_, i) => {
    const wave = Math.sin(1.7 * (i + 1) + 2.3 * operand)
    return Math.sign(wave) * (0.3 + 0.4 * Math.abs(wave))
  })
}

onEveryDevice(() => {
  afterAll(() => setPrecision('highest'))

  /** All gradients, with `value` in the middle of operand `which`; the last operand is what flows into the result. */
  async function gradients({ shapes, run }: Case, arrays: readonly Float32Array[], shape: readonly number[], which: number, value: number) {
    const operands = arrays.map((array, i) => {
      const values = array.slice()
      if (i === which) values[values.length >> 1] = value
      return tensor(values, [...(shapes[i] ?? shape)])
    })
    const dy = operands.at(-1)!
    const inputs = operands.slice(0, -1)
    const { value: loss, grads } = valueAndGrad(
      () =>
        run(...inputs)
          .mul(dy)
          .sum(),
      inputs
    )
    const results = await Promise.all(grads.map((g) => g.data() as Promise<Float32Array>))
    for (const t of [...operands, loss, ...grads]) t.dispose()
    return results
  }

  async function prepare({ shapes, run }: Case) {
    const inputs = shapes.map((shape, i) => tensor(numbersFor(i, shape), [...shape]))
    const y = run(...inputs)
    const { shape } = y
    for (const t of [...inputs, y]) t.dispose()
    return { shape, arrays: [...shapes, shape].map((s, i) => numbersFor(i, s)) }
  }

  for (const precision of ['highest', 'high', 'medium'] as const) {
    test.each(cases.map((c) => [c.name, c] as const))(
      `%s, ${precision}: NaN reaches the gradients that depend on it alone`,
      async (_, c) => {
        setPrecision(precision)
        const { shape, arrays } = await prepare(c)
        for (const which of arrays.keys()) {
          const at = (value: number) => gradients(c, arrays, shape, which, value)
          // What flows back is only multiplied, however large.
          const probes = which === arrays.length - 1 ? moderate! : (c.probes ?? moderate!)
          const [plain, nan] = [await at(0.5), await at(Number.NaN)]
          const probed: Float32Array[][] = []
          for (const value of probes) probed.push(await at(value))
          plain.forEach((expected, g) => {
            const wrong = [...expected].flatMap((v, i) => {
              const depends = probed.some((other) => Math.abs(other[g]![i]! - v) > 1e-5 * (1 + Math.abs(v)))
              const received = nan[g]![i]!
              const allowed = depends || c.kernels?.includes(which)
              const right = (allowed && Number.isNaN(received)) || (!depends && Math.abs(received - v) <= 1e-2 * (1 + Math.abs(v)))
              return right ? [] : [`${i}: expected ${depends ? 'NaN' : v}, received ${received}`]
            })
            expect({ poisoned: which, gradient: g, wrong: wrong.slice(0, 5), count: wrong.length }).toEqual({
              poisoned: which,
              gradient: g,
              wrong: [],
              count: 0
            })
          })
        }
      }
    )
  }

  test.each<[string, (x: Tensor) => Tensor]>([
    ['maxPool', (x) => ops.maxPool(x, { poolSize: 3, strides: 2, padding: 'same' })],
    ['maxPool of 2', (x) => ops.maxPool(x, { poolSize: 2 })],
    ['adaptiveMaxPool', (x) => ops.adaptiveMaxPool(x, 3)]
  ])('%s: NaN is the largest element of its windows and gets their gradients', async (name, run) => {
    for (const channels of [5, 33]) {
      const c = ofX(name, [2, 6, 7, channels], run)
      const { shape, arrays } = await prepare(c)
      expect(await gradients(c, arrays, shape, 0, Number.NaN)).toEqual(await gradients(c, arrays, shape, 0, 1e6))
      // What flows into one window reaches one element.
      const [dx] = await gradients(c, arrays, shape, 1, Number.NaN)
      expect([...dx!].filter(Number.isNaN).length).toBe(1)
    }
  })
})
