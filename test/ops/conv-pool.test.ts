// Convolutions whose maxima are taken in passing, in blocks of every shape and behind every kind of product: what conv and maxPool give one after the
// other, which have float64 references of their own.
import { ops, random, type Tensor, valueAndGrad } from '../../lib'
import type { ConvOptions } from '../../lib/ops/conv'
import { convMaxPool } from '../../lib/ops/conv-pool'
import type { PoolOptions } from '../../lib/ops/pool'
import { onEveryDevice } from '../support/op-suite'

type Pooled = [x: readonly number[], w: readonly number[], pool: PoolOptions, options?: ConvOptions]
const same = { padding: 'same' } as const
const cases: Record<string, Pooled> = {
  'lines in a strip': [[3, 18, 16, 5], [3, 3, 5, 16], { poolSize: 2 }, same],
  'windows that do not reach the end': [[2, 19, 17, 5], [3, 3, 5, 18], { poolSize: [3, 2] }, same],
  'several blocks of few features': [[9, 33, 32, 2], [5, 5, 2, 3], { poolSize: 2 }, same],
  'parts of two rows': [[1, 4, 3000, 16], [3, 3, 16, 24], { poolSize: [2, 4] }],
  'parts of a row of tiles': [[1, 4, 420, 64], [3, 3, 64, 64], { poolSize: 2 }, same],
  'rows of tiles': [[2, 21, 20, 40], [3, 3, 40, 70], { poolSize: 2 }, same],
  'windows across one row of tiles': [[2, 7, 20, 40], [3, 3, 40, 48], { poolSize: [1, 5] }, same],
  'windows over several rows of tiles': [[2, 18, 15, 40], [3, 3, 40, 48], { poolSize: 3 }, same],
  'rows of many images': [[17, 12, 6, 32], [3, 2, 32, 40], { poolSize: 2 }, same],
  'windows across rows of many images': [[9, 12, 7, 32], [3, 2, 32, 12], { poolSize: [3, 2] }, { padding: 'same', activation: 'tanh' }],
  'short lines': [[70, 4, 4, 24], [3, 3, 24, 40], { poolSize: 2 }, same],
  'features of several panels': [[2, 4, 4, 8], [3, 3, 8, 600], { poolSize: 2 }, same],
  'positions beyond a byte': [[2, 18, 19, 3], [3, 3, 3, 8], { poolSize: 17 }, same],
  'windows that overlap': [[2, 13, 12, 4], [3, 3, 4, 9], { poolSize: 3, strides: 2, padding: 'same' }, same],
  'windows over the edge': [[2, 7, 9, 4], [3, 3, 4, 9], { poolSize: 2, padding: 'same' }, same],
  'windows apart': [[2, 9, 9, 4], [3, 3, 4, 9], { poolSize: 2, strides: 3 }],
  strides: [[4, 15, 16, 6], [3, 3, 6, 9], { poolSize: 2 }, { strides: 2, padding: 'same' }],
  groups: [[3, 8, 10, 12], [3, 3, 4, 18], { poolSize: 2 }, { groups: 3 }],
  'each channel by itself': [[2, 8, 8, 33], [3, 3, 1, 33], { poolSize: 2 }, { groups: 33, padding: 'same' }],
  'each pixel by itself': [[7, 16, 16, 8], [1, 1, 8, 70], { poolSize: 2 }],
  sequences: [[4, 700, 6], [5, 6, 20], { poolSize: 4 }, { padding: 'causal', dilationRate: 2 }],
  'parts of a sequence': [[1, 9000, 6], [9, 6, 20], { poolSize: 3 }, same],
  'volumes, windows of one plane': [[2, 5, 6, 8, 3], [3, 3, 3, 3, 10], { poolSize: [1, 2, 2] }, same],
  'volumes, windows of two planes': [[2, 4, 6, 8, 3], [3, 3, 3, 3, 10], { poolSize: 2 }, same],
  'no images': [[0, 6, 6, 2], [3, 3, 2, 4], { poolSize: 2 }, same]
}

onEveryDevice(() => {
  describe.each(['float32', 'bfloat16'] as const)('%s:', (dtype) => {
    test.each(Object.entries(cases))('%s', async (_name, [shape, kernel, pool, options]) => {
      // Multiples of an eighth, so that sums are exact: what is largest in a window is the same however they are formed.
      const eighths = (size: readonly number[], stddev: number) =>
        ops
          .round(random.normal(size, { stddev: stddev * 8 }))
          .div(8)
          .cast(dtype)
      const [x, w, bias] = [eighths(shape, 1), eighths(kernel, 0.3), eighths(kernel.slice(-1), 1)]
      const both = (all: ConvOptions) => ops.maxPool(ops.conv(x, w, all), pool)
      const one = (all: ConvOptions) => convMaxPool(x, w, all, { ...pool, layer: 'pool' })
      // With relu many windows have several maxima, all 0.
      for (const all of [{ ...options, bias, activation: 'relu' }, { ...options }] as const) {
        const expected = both(all)
        await close(one(all), expected, dtype === 'float32' ? 5e-6 : 0.01)
        const seed = random.normal(expected.shape).cast(dtype)
        const variables = all.bias ? [x, w, bias] : [x, w]
        const grads = (y: () => Tensor) => valueAndGrad(() => y().mul(seed).sum(), variables).grads
        const plain = grads(() => both(all))
        for (const [i, gradient] of grads(() => one(all)).entries()) await close(gradient, plain[i]!, dtype === 'float32' ? 1e-5 : 0.02)
      }
    })
  })

  test('NaN and infinities survive, one beside the other', async () => {
    const x = ops.concat(
      [ops.full([1, 1, 4, 1], Number.NaN), ops.full([1, 3, 4, 1], Number.POSITIVE_INFINITY), ops.full([1, 2, 4, 1], -1)],
      1
    )
    for (const activation of ['none', 'relu'] as const) {
      const y = convMaxPool(x, ops.ones([1, 1, 1, 3]), { activation }, { poolSize: 2, layer: 'pool' })
      const last = activation === 'none' ? -1 : 0
      const rows = [Number.NaN, Number.POSITIVE_INFINITY, last]
      expect([...(await y.data())]).toEqual(rows.flatMap((value) => new Array<number>(6).fill(value)))
    }
  })
})

/** Within `tolerance` of the largest. */
async function close(a: Tensor, b: Tensor, tolerance: number): Promise<void> {
  const [received, expected] = [Float32Array.from(await a.data()), Float32Array.from(await b.data())]
  expect(a.shape).toEqual(b.shape)
  const allowed = tolerance * expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-3)
  const bad = expected.findIndex((value, i) => !(Math.abs(received[i]! - value) <= allowed))
  if (bad >= 0) throw new Error(`first bad index ${bad} of [${a.shape}]: expected ${expected[bad]}, received ${received[bad]}`)
}
