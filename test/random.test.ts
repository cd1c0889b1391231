// Random numbers: the same for a seed on every device, in their ranges, with the moments of their distributions.
import { memory, random, setRandomSeed, tensor, zeros } from '../lib'
import { Generator } from '../lib/random'
import { collected } from './support/collected'
import { onEveryDevice } from './support/op-suite'

/** Philox4x32-10 with 64-bit integers, as in the paper. */
function philox(key: readonly bigint[], counter: bigint): bigint[] {
  const word = (1n << 32n) - 1n
  let c = [counter & word, (counter >> 32n) & word, 0n, 0n]
  let [k0, k1] = [key[0]!, key[1]!]
  for (let round = 0; round < 10; round++) {
    const [a, b] = [0xd2511f53n * c[0]!, 0xcd9e8d57n * c[2]!]
    c = [(b >> 32n) ^ c[1]! ^ k0, b & word, (a >> 32n) ^ c[3]! ^ k1, a & word]
    k0 = (k0 + 0x9e3779b9n) & word
    k1 = (k1 + 0xbb67ae85n) & word
  }
  return c
}

const moments = (data: ArrayLike<number>) => {
  const values = Array.from(data)
  const mean = values.reduce((a, b) => a + b) / values.length
  return {
    mean,
    stddev: Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length),
    low: Math.min(...values),
    high: Math.max(...values)
  }
}
const n = 40_000

onEveryDevice(() => {
  test('uniform numbers are those of Philox4x32-10 at the generator’s key and counter', async () => {
    const generator = new Generator({ seed: 3 })
    const [low, high] = [...generator.state.dataSync()]
    const key = [BigInt.asUintN(32, BigInt(low!)), BigInt.asUintN(32, BigInt(high!))]
    for (const [size, first] of [
      [7, 0n],
      [1031, 2n],
      [3, 260n]
    ] as const) {
      const expected = Array.from(
        { length: size },
        (_, i) => Number(philox(key, first + BigInt(Math.floor(i / 4)))[i % 4]! >> 8n) * 2 ** -24
      )
      expect([...(await generator.uniform([size]).data())]).toEqual(expected)
    }
    expect([...generator.state.dataSync()]).toEqual([low, high, 261, 0])
  })

  test('however a device is spelled, it has one generator', async () => {
    const device = zeros([]).device
    const spellings = device === 'cuda' ? [undefined, 'cuda', 'cuda:0'] : [undefined, device]
    const draws = await Promise.all(spellings.map(async (spelling) => `${await random.uniform([4], { device: spelling }).data()}`))
    expect(new Set(draws).size).toBe(spellings.length)
  })

  test('the same seed gives the same draws in the same order', async () => {
    const draw = async () => {
      setRandomSeed(11)
      const generator = new Generator()
      return [
        ...(await random.uniform([5]).data()),
        ...(await random.normal([5]).data()),
        ...(await generator.uniform([3]).data()),
        ...random.permutation(7).dataSync(),
        ...(await random.normal([2]).data())
      ]
    }
    const [a, b] = [await draw(), await draw()]
    expect(b).toEqual(a)
    setRandomSeed(12)
    expect([...(await random.uniform([5]).data())]).not.toEqual(a.slice(0, 5))
  })

  test('generators are independent of each other', async () => {
    setRandomSeed(1)
    const [a, b] = [new Generator(), new Generator()]
    const alone = [...(await a.uniform([8]).data())]
    setRandomSeed(1)
    const [c, d] = [new Generator(), new Generator()]
    d.uniform([100])
    expect([...(await c.uniform([8]).data())]).toEqual(alone)
    expect([...(await b.uniform([8]).data())]).not.toEqual(alone)
  })

  test.each([
    ['uniform', () => random.uniform([n], { minval: -1, maxval: 3 }), { mean: 1, stddev: 4 / Math.sqrt(12), low: -1, high: 3 }],
    ['normal', () => random.normal([n], { mean: 2, stddev: 3 }), { mean: 2, stddev: 3, low: -20, high: 24 }],
    [
      'truncatedNormal',
      () => random.truncatedNormal([n], { mean: 2, stddev: 3 }),
      { mean: 2, stddev: 3 * 0.87962566103423978, low: -4, high: 8 }
    ],
    ['bernoulli', () => random.bernoulli([n], { p: 0.3 }), { mean: 0.3, stddev: Math.sqrt(0.21), low: 0, high: 1 }],
    ['integers', () => random.integers([n], { minval: -3, maxval: 5 }), { mean: 0.5, stddev: Math.sqrt(63 / 12), low: -3, high: 4 }],
    ['bfloat16', () => random.normal([n], { dtype: 'bfloat16' }), { mean: 0, stddev: 1, low: -6, high: 6 }]
  ] as const)('%s has its range and moments', async (_name, draw, expected) => {
    setRandomSeed(2)
    const received = moments(await draw().data())
    expect(received.low).toBeGreaterThanOrEqual(expected.low)
    expect(received.high).toBeLessThanOrEqual(expected.high)
    // Five standard errors.
    expect(Math.abs(received.mean - expected.mean)).toBeLessThan((5 * expected.stddev) / Math.sqrt(n))
    expect(Math.abs(received.stddev / expected.stddev - 1)).toBeLessThan(5 / Math.sqrt(n))
  })

  test('normal numbers have the shape of the distribution', async () => {
    setRandomSeed(4)
    const data = await random.normal([n]).data()
    const share = (low: number, high: number) => data.filter((v) => v >= low && v < high).length / n
    for (const [low, high, expected] of [
      [-1, 1, 0.682689],
      [-2, 2, 0.9545],
      [0, 0.5, 0.191462],
      [1, 2, 0.135905]
    ] as const) {
      expect(Math.abs(share(low, high) - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / n))
    }
  })

  test('dropout scales what it keeps', async () => {
    const y = await random.dropout(tensor(new Float32Array(n).fill(2)), 0.25).data()
    expect(y.every((v) => v === 0 || Math.abs(v - 2 / 0.75) < 1e-6)).toBe(true)
    expect(Math.abs(y.filter((v) => v === 0).length / n - 0.25)).toBeLessThan(0.02)
    expect([...(await random.dropout(tensor([1, 2]), 0).data())]).toEqual([1, 2])
  })

  test('a permutation holds every number once; shuffle moves rows', async () => {
    const p = [...random.permutation(1000).dataSync()]
    expect([...p].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect(p).not.toEqual([...p].sort((a, b) => a - b))
    const rows = (await random
      .shuffle(
        tensor([
          [1, 1],
          [2, 2],
          [3, 3]
        ])
      )
      .array()) as number[][]
    expect(rows.map(([a]) => a).sort()).toEqual([1, 2, 3])
    expect(rows.every(([a, b]) => a === b)).toBe(true)
  })

  test('draws leave one tensor each', async () => {
    random.uniform([1]).dispose()
    await collected()
    const before = memory().tensors
    const all = [random.uniform([3]), random.normal([3]), random.integers([2], { maxval: 3 }), random.dropout(zeros([2]), 0.5)]
    for (const t of all) t.dispose()
    expect(memory().tensors - before).toBeLessThanOrEqual(1)
  })
})

test('permutations are fair: each of 3! comes as often', () => {
  const generator = new Generator({ seed: 9 })
  const counts = new Map<string, number>()
  for (let i = 0; i < 6000; i++) {
    const key = generator.shuffled(3).join()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  expect(counts.size).toBe(6)
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000))
})

test.each([
  ['a seed that is no integer', () => setRandomSeed(0.5), '[setRandomSeed] expected seed to be an integer, received 0.5'],
  [
    'a negative stddev',
    () => random.normal([1], { stddev: -1 }),
    '[normal] expected stddev to be a number that is not negative, received -1'
  ],
  [
    'an empty range',
    () => random.integers([1], { minval: 3, maxval: 3 }),
    '[integers] expected integers minval < maxval of 32 bits, received 3 and 3'
  ],
  ['a probability of 2', () => random.bernoulli([1], { p: 2 }), '[bernoulli] expected p to be in [0, 1], received 2'],
  ['a rate of 1', () => random.dropout(zeros([1]), 1), '[dropout] expected rate to be less than 1, received 1'],
  ['NaN as a bound', () => random.uniform([1], { minval: Number.NaN }), '[uniform] expected minval to be a finite number, received NaN'],
  [
    'integers from uniform',
    () => random.uniform([1], { dtype: 'int32' }),
    '[uniform] expected dtype to be float32 or bfloat16, received int32'
  ]
] as const)('refuses %s', (_what, run, message) => {
  expect(run).toThrow(expect.objectContaining({ name: 'ArgumentError', message }))
})
