// Convolutions that take the moments of their result in passing: in blocks of every shape and behind every kind of product.
import { ops, random, type Tensor, valueAndGrad } from '../../lib'
import { type ConvOptions, convMoments } from '../../lib/ops/conv'
import { normalizedBatch } from '../../lib/ops/normalization'
import { onEveryDevice } from '../support/op-suite'

const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length

interface Moments {
  x: readonly number[]
  w: readonly number[]
  options?: ConvOptions
  /** Of the features, by a bias. */
  center?: number
}
const cases: Record<string, Moments> = {
  'lines in a strip': { x: [3, 19, 17, 5], w: [3, 3, 5, 16], options: { padding: 'same' } },
  'a large mean': { x: [6, 40, 40, 3], w: [3, 3, 3, 7], center: 1000 },
  'several blocks of few features': { x: [9, 33, 32, 2], w: [3, 3, 2, 3], options: { padding: 'same' } },
  'parts of one row': { x: [1, 3, 3000, 16], w: [3, 3, 16, 24] },
  'parts of a row of tiles': { x: [1, 4, 420, 64], w: [3, 3, 64, 64], options: { padding: 'same' } },
  'rows of tiles': { x: [2, 21, 19, 40], w: [3, 3, 40, 70], options: { padding: 'same' } },
  'rows of many images': { x: [17, 12, 6, 32], w: [3, 2, 32, 40], options: { padding: 'same' } },
  'many small images': { x: [70, 3, 2, 32], w: [3, 2, 32, 40], options: { padding: 'same' } },
  'short lines': { x: [70, 4, 4, 24], w: [3, 3, 24, 40], options: { padding: 'same' } },
  'features of several panels': { x: [2, 3, 3, 8], w: [2, 2, 8, 600], options: { padding: 'same' } },
  strides: { x: [4, 15, 16, 6], w: [3, 3, 6, 9], options: { strides: 2, padding: 'same', dilationRate: 1 } },
  groups: { x: [3, 8, 9, 12], w: [3, 3, 4, 18], options: { groups: 3 } },
  'each channel by itself': { x: [5, 20, 21, 33], w: [3, 3, 1, 33], options: { groups: 33, padding: 'same' } },
  'rows of channels by themselves, behind an activation': {
    x: [3, 30, 9, 20],
    w: [3, 3, 1, 20],
    options: { groups: 20, strides: 2, padding: 'same', activation: 'tanh' }
  },
  'several features of each channel': { x: [5, 12, 13, 11], w: [3, 3, 1, 33], options: { groups: 11, activation: 'relu' } },
  'an activation': { x: [3, 11, 12, 6], w: [3, 3, 6, 9], options: { padding: 'same', activation: 'relu' } },
  'each pixel by itself': { x: [7, 16, 16, 8], w: [1, 1, 8, 70] },
  sequences: { x: [4, 700, 6], w: [5, 6, 20], options: { padding: 'causal', dilationRate: 2 } },
  volumes: { x: [2, 5, 6, 7, 3], w: [3, 3, 3, 3, 10], options: { padding: 'same' } },
  'one value': { x: [1, 1, 1, 2], w: [1, 1, 2, 3] }
}

onEveryDevice(() => {
  describe.each(['float32', 'bfloat16'] as const)('%s:', (dtype) => {
    test.each(Object.entries(cases))('%s', async (_name, { x: shape, w: kernel, options, center = 0 }) => {
      const features = kernel.at(-1)!
      const [x, w] = [random.normal(shape).cast(dtype), random.normal(kernel, { stddev: 0.3 }).cast(dtype)]
      const bias = random.uniform([features], { minval: center, maxval: center + 1 }).cast(dtype)
      const [y, m, v] = convMoments(x, w, { ...options, bias })
      expect(m.dtype).toBe('float32')
      const [values, means, variances] = [await y.data(), await m.data(), await v.data()]
      expect(values).toEqual(await ops.conv(x, w, { ...options, bias }).data())
      for (let f = 0; f < features; f++) {
        const column = Array.from({ length: y.size / features }, (_, r) => values[r * features + f]!)
        const expected = mean(column)
        const deviation = mean(column.map((value) => (value - expected) ** 2))
        expect(Math.abs(means[f]! - expected)).toBeLessThan(1e-6 * (Math.abs(expected) + Math.sqrt(deviation)))
        expect(Math.abs(variances[f]! - deviation)).toBeLessThan(5e-5 * deviation + 1e-12)
      }
    })
  })

  test('NaN stays in its feature', async () => {
    const w = ops.stack([ops.full([2], Number.NaN), ops.ones([2])], -1).reshape([1, 1, 2, 2])
    const [, m, v] = convMoments(random.normal([2, 4, 4, 2]), w, {})
    for (const t of [m, v]) expect(Array.from(await t.data(), Number.isNaN)).toEqual([true, false])
  })

  test.each(['none', 'relu'] as const)('gradients are those of a convolution with the activation %s', async (activation) => {
    const [x, w, seed] = [random.normal([2, 6, 6, 3]), random.normal([3, 3, 3, 5]), random.normal([2, 4, 4, 5])]
    const grads = (y: () => Tensor) => valueAndGrad(() => y().mul(seed).sum(), [x, w]).grads
    const fused = grads(() => {
      const [y, ...moments] = convMoments(x, w, { activation })
      return normalizedBatch(y, moments, { activation: 'relu' })
    })
    const plain = grads(() => ops.batchNormTraining(ops.conv(x, w, { activation }), { activation: 'relu' })[0])
    for (const [i, t] of fused.entries()) {
      const [received, expected] = [await t.data(), await plain[i]!.data()]
      for (const [k, value] of expected.entries()) expect(Math.abs(received[k]! - value)).toBeLessThan(2e-4)
    }
  })
})
