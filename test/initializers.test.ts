// Initializers: fans as in Keras, the distributions' limits and moments, orthogonality, seeds, names and configs.
import { ArgumentError, initializers, ShapeError, setRandomSeed, type Tensor, tensor } from '../lib'
import { type Serialized, withCustomObjects } from '../lib/serialization'
import goldens from './goldens/initializers.golden.json'
import { expectCloseNumbers } from './support/golden'
import { onEveryDevice } from './support/op-suite'

test.each(goldens.map(({ shape, fans }) => [shape, fans] as const))('fans of [%s]', (shape, fans) => {
  expect(initializers.fans(shape)).toEqual(fans)
})

function moments(values: ArrayLike<number>): { mean: number; stddev: number; largest: number } {
  const list = Array.from(values)
  const mean = list.reduce((sum, v) => sum + v, 0) / list.length
  const stddev = Math.sqrt(list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length)
  return { mean, stddev, largest: Math.max(...list.map(Math.abs)) }
}

describe('initializers', () => {
  onEveryDevice(() => {
    // A kernel (3, 5, 20, 40): 300 inputs and 600 outputs of a unit; 12,000 draws: σ of their mean is σ / 110, that of their σ 1/155.
    const shape = [3, 5, 20, 40]
    const uniform = (n: number, scale: number) => ({ stddev: Math.sqrt(scale / n), limit: Math.sqrt((3 * scale) / n) })
    const truncated = (n: number, scale: number) => ({
      stddev: Math.sqrt(scale / n),
      limit: (2 * Math.sqrt(scale / n)) / 0.87962566103423978
    })
    const cases: [string, initializers.Initializer, { mean?: number; stddev: number; limit: number }][] = [
      ['glorotUniform', initializers.glorotUniform(), uniform(450, 1)],
      ['glorotNormal', initializers.glorotNormal(), truncated(450, 1)],
      ['heUniform', initializers.heUniform(), uniform(300, 2)],
      ['heNormal', initializers.heNormal(), truncated(300, 2)],
      ['lecunUniform', initializers.lecunUniform(), uniform(300, 1)],
      ['lecunNormal', initializers.lecunNormal(), truncated(300, 1)],
      ['varianceScaling', initializers.varianceScaling({ scale: 3, mode: 'fanOut' }), truncated(600, 3)],
      [
        'varianceScaling untruncated',
        initializers.varianceScaling({ distribution: 'untruncatedNormal' }),
        { stddev: Math.sqrt(1 / 300), limit: 6 * Math.sqrt(1 / 300) }
      ],
      ['randomUniform', initializers.randomUniform({ minval: -0.1, maxval: 0.3 }), { mean: 0.1, stddev: 0.4 / Math.sqrt(12), limit: 0.3 }],
      ['randomNormal', initializers.randomNormal({ mean: 1, stddev: 0.2 }), { mean: 1, stddev: 0.2, limit: 1 + 6 * 0.2 }],
      ['truncatedNormal', initializers.truncatedNormal({ stddev: 0.1 }), { stddev: 0.1 * 0.87962566103423978, limit: 0.2 }]
    ]
    test.each(cases)('%s', async (_name, initializer, expected) => {
      setRandomSeed(7)
      using w = initializer.initialize(shape)
      expect([w.shape, w.dtype]).toEqual([shape, 'float32'])
      const { mean, stddev, largest } = moments(await w.data())
      expect(Math.abs(mean - (expected.mean ?? 0))).toBeLessThan(5 * (expected.stddev / Math.sqrt(w.size)))
      expect(Math.abs(stddev / expected.stddev - 1)).toBeLessThan(0.03)
      expect(largest).toBeLessThanOrEqual(expected.limit * (1 + 1e-6))
      expect(largest).toBeGreaterThan(expected.limit * 0.5)
    })

    test.each([
      [[6, 4], 1],
      [[4, 6], 2],
      [[3, 2, 5], 1]
    ] as const)('orthogonal of shape [%s], gain %d', async (size, gain) => {
      using w = initializers.orthogonal({ gain, seed: 3 }).initialize(size)
      expect(w.shape).toEqual(size)
      const columns = size.at(-1)!
      using matrix = w.reshape([w.size / columns, columns])
      const wide = matrix.shape[0]! < columns
      using product = matrix.matmul(matrix, { transposeA: !wide, transposeB: wide })
      const n = product.shape[0]!
      const identity = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? gain * gain : 0))
      expectCloseNumbers(await product.data(), identity, 'wᵀw', 1e-5)
    })

    test('constants', async () => {
      expect(await initializers.zeros().initialize([2]).array()).toEqual([0, 0])
      expect(await initializers.ones().initialize([2]).array()).toEqual([1, 1])
      expect(await initializers.constant(3).initialize([2]).array()).toEqual([3, 3])
      expect(await initializers.constant({ value: -1 }).initialize([1]).array()).toEqual([-1])
      expect(await initializers.identity({ gain: 2 }).initialize([2, 3]).array()).toEqual([
        [2, 0, 0],
        [0, 2, 0]
      ])
    })
  })
})

test('numbers come from the seeds', async () => {
  const draw = async (initializer: initializers.Initializer) => [...(await initializer.initialize([4]).data())]
  setRandomSeed(1)
  const [a, b] = [await draw(initializers.glorotUniform()), await draw(initializers.glorotUniform())]
  setRandomSeed(1)
  const [first, second] = [initializers.glorotUniform(), initializers.glorotUniform()]
  // The key is that of the construction, not of the first use.
  const [d, c] = [await draw(second), await draw(first)]
  expect([c, d]).toEqual([a, b])
  expect(a).not.toEqual(b)
  expect(await draw(first)).not.toEqual(a)
  const seeded = initializers.randomNormal({ seed: 5 })
  const values = await draw(seeded)
  setRandomSeed(2)
  expect(await draw(seeded)).toEqual(values)
  expect(await draw(initializers.randomNormal({ seed: 5 }))).toEqual(values)
})

test('names, objects, functions and configs', async () => {
  const made = [
    initializers.zeros(),
    initializers.constant(2),
    initializers.glorotUniform({ seed: 3 }),
    initializers.varianceScaling({ scale: 2, mode: 'fanAvg', distribution: 'uniform' }),
    initializers.orthogonal({ gain: 2 }),
    initializers.randomUniform({ minval: 0, maxval: 1 })
  ]
  for (const initializer of made) {
    const again = initializers.get(JSON.parse(JSON.stringify(initializers.serialize(initializer))) as Serialized)
    expect(again.constructor).toBe(initializer.constructor)
    expect(again.getConfig()).toEqual(initializer.getConfig())
  }
  expect(initializers.get('uniform')).toBeInstanceOf(initializers.RandomUniform)
  function ramp(shape: readonly number[]): Tensor {
    return tensor([0, 1, 2], shape)
  }
  const own = initializers.get(ramp)
  expect(await own.initialize([3]).array()).toEqual([0, 1, 2])
  const written = initializers.serialize(own)
  expect(
    await withCustomObjects({ ramp }, () => initializers.get(written))
      .initialize([3])
      .array()
  ).toEqual([0, 1, 2])
})

test('options that are wrong', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => initializers.get('glorot_uniform' as 'zeros'),
      "unknown initializer 'glorot_uniform': the name is 'glorotUniform'"
    ],
    [ArgumentError, () => initializers.get('heNorml' as 'zeros'), "unknown initializer 'heNorml': did you mean 'heNormal'?"],
    [ArgumentError, () => initializers.constant(Number.NaN), '[constant] expected value to be a finite number, received NaN'],
    [
      ArgumentError,
      () => initializers.randomNormal({ stddev: -1 }),
      '[randomNormal] expected stddev to be a finite number of at least 0, received -1'
    ],
    [
      ArgumentError,
      () => initializers.varianceScaling({ mode: 'fan_in' as 'fanIn' }),
      "[varianceScaling] expected mode to be one of 'fanIn', 'fanOut', 'fanAvg', received \"fan_in\""
    ],
    [ArgumentError, () => initializers.heNormal({ seed: 1.5 }), '[heNormal] expected seed to be an integer, received 1.5'],
    [ShapeError, () => initializers.orthogonal().initialize([3]), '[orthogonal] expected a shape of rank 2 or more, received [3]'],
    [ShapeError, () => initializers.identity().initialize([3]), '[identity] expected the shape of a matrix, received [3]']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
