// Ops that write in place: optimizers against Keras' formulas in float64, totals, increments.
import { type Tensor, tensor, type Variable, variable, zeros } from '../../lib'
import * as training from '../../lib/ops/training'
import { onEveryDevice } from '../support/op-suite'
import { numbers } from '../support/reference'

type Options = { weightDecay?: number; clip?: training.Clip; clipLimit?: number; dtype?: 'float32' | 'bfloat16' }
/** New weights and slots of one variable from the gradient, as Keras computes them. */
type Rule = (w: number, g: number, slots: number[], lr: number, t: number) => [w: number, slots: number[]]

const sizes = [1, 7, 33, 1031, 257]

/** Five steps of an op on several variables beside the rule in float64. */
async function compare(
  slots: number,
  step: (update: training.Update) => void,
  rule: Rule,
  { weightDecay = 0, clip = 'none', clipLimit = 0, dtype = 'float32' }: Options = {}
) {
  const next = numbers(17)
  const weights = sizes.map((n) => Float64Array.from({ length: n }, () => Math.fround(next() * 2 - 1)))
  const state = sizes.map((n) => Array.from({ length: slots }, () => new Float64Array(n)))
  const variables = weights.map((w) => variable(tensor(w)))
  const slotVariables = state.map((list) => list.map((s) => variable(tensor(s))))
  const [rate, iterations] = [variable(tensor([0.05])), variable(tensor([0], [1], { dtype: 'int32' }))]
  const lr = Math.fround(0.05)
  for (let t = 1; t <= 5; t++) {
    const made = sizes.map((n) => tensor(Float64Array.from({ length: n }, () => next() * 4 - 2)).cast(dtype))
    const gradients = await Promise.all(made.map(async (g) => Float64Array.from(await g.data())))
    const norms = clip === 'norm' || clip === 'globalNorm' ? training.squaredNorms(made) : null
    if (norms) {
      const received = await norms.data()
      for (const [i, g] of gradients.entries()) expect(received[i]! / g.reduce((a, v) => a + v * v, 0)).toBeCloseTo(1, 5)
    }
    step({
      learningRate: rate,
      iterations,
      squaredNorms: norms,
      groups: variables.map((w, i) => [w, made[i]!, ...slotVariables[i]!] as [Variable, Tensor, ...Variable[]]),
      weightDecay,
      clip,
      clipLimit
    })
    training.increment(iterations, 1)
    const norm = (list: Float64Array[]) => Math.sqrt(list.reduce((a, g) => a + g.reduce((b, v) => b + v * v, 0), 0))
    const globalScale = clip === 'globalNorm' ? clipLimit / Math.max(norm(gradients), clipLimit) : 1
    gradients.forEach((g, i) => {
      const scale = clip === 'norm' ? clipLimit / Math.max(norm([g]), clipLimit) : globalScale
      g.forEach((raw, j) => {
        const clipped = clip === 'value' ? Math.min(Math.max(raw, -clipLimit), clipLimit) : raw * scale
        const w = weights[i]![j]! * (1 - weightDecay * lr)
        const [after, newSlots] = rule(
          w,
          clipped,
          state[i]!.map((s) => s[j]!),
          lr,
          t
        )
        weights[i]![j] = after
        newSlots.forEach((v, k) => {
          state[i]![k]![j] = v
        })
      })
    })
  }
  for (const [i, w] of variables.entries()) {
    const received = await w.data()
    const bad = received.findIndex((v, j) => !(Math.abs(v - weights[i]![j]!) <= 2e-5 * (1 + Math.abs(weights[i]![j]!))))
    if (bad >= 0)
      throw new Error(
        `variable ${i} of ${received.length} elements, first bad index ${bad}: expected ${weights[i]![bad]}, received ${received[bad]}`
      )
  }
  expect(await iterations.item()).toBe(5)
}

const clippings: Options[] = [
  {},
  { weightDecay: 0.1 },
  { clip: 'value', clipLimit: 0.5 },
  { clip: 'norm', clipLimit: 1 },
  { clip: 'globalNorm', clipLimit: 2 },
  { dtype: 'bfloat16' }
]

onEveryDevice(() => {
  test.each(clippings)('sgd %j', (options) =>
    compare(
      0,
      (u) => training.sgd(u, { momentum: 0, nesterov: false }),
      (w, g, _s, lr) => [w - lr * g, []],
      options
    )
  )
  test.each([false, true])('sgd with momentum, nesterov %s', (nesterov) =>
    compare(
      1,
      (u) => training.sgd(u, { momentum: 0.9, nesterov }),
      (w, g, [m], lr) => {
        const v = 0.9 * m! - lr * g
        return [nesterov ? w + 0.9 * v - lr * g : w + v, [v]]
      }
    )
  )
  const adamRule =
    (amsgrad: boolean): Rule =>
    (w, g, [m, v, most], lr, t) => {
      const [m1, v1] = [m! + (g - m!) * (1 - 0.9), v! + (g * g - v!) * (1 - 0.999)]
      const largest = amsgrad ? Math.max(most!, v1) : v1
      const alpha = (lr * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)
      return [w - (m1 * alpha) / (Math.sqrt(largest) + 1e-7), amsgrad ? [m1, v1, largest] : [m1, v1]]
    }
  const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
  test.each(clippings)('adam %j', (options) => compare(2, (u) => training.adam(u, { ...adam, amsgrad: false }), adamRule(false), options))
  test('adam with amsgrad', () => compare(3, (u) => training.adam(u, { ...adam, amsgrad: true }), adamRule(true)))

  test.each([
    [false, 0],
    [true, 0],
    [false, 0.5],
    [true, 0.5]
  ])('rmsprop, centered %s, momentum %s', (centered, momentum) =>
    compare(
      1 + Number(centered) + Number(momentum > 0),
      (u) => training.rmsprop(u, { rho: 0.9, momentum, epsilon: 1e-7, centered }),
      (w, g, slots, lr) => {
        const v = 0.9 * slots[0]! + 0.1 * g * g
        const mean = centered ? 0.9 * slots[1]! + 0.1 * g : 0
        const change = (lr * g) / Math.sqrt(v - mean * mean + 1e-7)
        const m = momentum > 0 ? momentum * slots.at(-1)! + change : change
        return [w - m, [v, ...(centered ? [mean] : []), ...(momentum > 0 ? [m] : [])]]
      }
    )
  )

  test('accumulate sums values and weights, compensated', async () => {
    const total = variable(zeros([3]))
    for (let i = 0; i < 100; i++) training.accumulate(total, tensor([0.1, 1e-8]))
    let [sum, , count] = await total.data()
    expect(sum! / (100 * (Math.fround(0.1) + 1e-8))).toBeCloseTo(1, 6)
    expect(count).toBe(200)
    training.accumulate(total, tensor([1, 2, 3]), tensor([2, 0, 0.5]))
    const before = [sum, count] as [number, number]
    ;[sum, , count] = await total.data()
    expect([sum! - before[0], count! - before[1]].map((v) => Math.round(v * 1e4) / 1e4)).toEqual([3.5, 2.5])
  })

  test('a total of many small values does not drown them', async () => {
    const total = variable(tensor([2 ** 24, 0, 1]))
    const ones = tensor(new Float32Array(1000).fill(0.25))
    for (let i = 0; i < 8; i++) training.accumulate(total, ones)
    const [sum, compensation] = await total.data()
    expect(sum! + Math.abs(compensation!) - 2 ** 24).toBeGreaterThanOrEqual(1999)
  })

  test('batchIndices takes a run of the order, clamped at its end', async () => {
    const order = tensor(Int32Array.of(4, 2, 0, 1, 3))
    const at = async (position: number) => [...(await training.batchIndices(order, tensor(Int32Array.of(position)), 3).data())]
    expect([await at(0), await at(2), await at(4)]).toEqual([
      [4, 2, 0],
      [0, 1, 3],
      [3, 3, 3]
    ])
  })

  test('increment of int32 and float32', async () => {
    const [i, f] = [variable(tensor([2 ** 30, -1], [2], { dtype: 'int32' })), variable(tensor([0.5]))]
    training.increment(i, 3)
    training.increment(f, -2)
    expect([...i.dataSync(), ...f.dataSync()]).toEqual([2 ** 30 + 3, 2, -1.5])
  })
})
