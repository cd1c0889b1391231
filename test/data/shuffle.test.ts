// The order of samples: known answers of Philox, permutations, and the validation split.
import { inOrder, shuffled } from '../../lib/data/shuffle'
import { trainingCount } from '../../lib/data/split'

test('an order is a permutation, depends on key and draw, and on nothing else', async () => {
  const a = await shuffled(100, 1000, [1, 2], 0)
  expect([...a].sort((p, q) => p - q)).toEqual([...inOrder(100, 1000)])
  expect(await shuffled(100, 1000, [1, 2], 0)).toEqual(a)
  for (const other of [await shuffled(100, 1000, [1, 2], 1), await shuffled(100, 1000, [1, 3], 0), inOrder(100, 1000)]) {
    const same = [...other].filter((v, i) => v === a[i]).length
    expect(same).toBeLessThan(20)
  }
  expect(await shuffled(5, 1, [1, 2], 0)).toEqual(new Int32Array([5]))
  expect(await shuffled(5, 0, [1, 2], 0)).toEqual(new Int32Array(0))
})

test('every order is equally likely', async () => {
  const counts = new Map<string, number>()
  for (let draw = 0; draw < 6000; draw++) {
    const key = (await shuffled(0, 3, [7, 7], draw)).join()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  expect(counts.size).toBe(6)
  // Chi-squared with 5 degrees of freedom: above 20.5 once in a thousand, and the draws are fixed.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
  expect(chi).toBeLessThan(20.5)
})

test('leaves the event loop its turns', async () => {
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  await shuffled(0, 500_000, [1, 2], 0)
  clearInterval(timer)
  expect(turns).toBeGreaterThan(3)
})

test('the validation split cuts at floor(n (1 - split))', () => {
  expect(trainingCount(60000, 0.1)).toBe(54000)
  expect(trainingCount(10, 0.25)).toBe(7)
  expect(trainingCount(10, 0)).toBe(10)
  for (const split of [1, -0.1, Number.NaN, '0.5' as unknown as number]) {
    expect(() => trainingCount(10, split)).toThrow(
      expect.objectContaining({ name: 'ArgumentError', message: expect.stringMatching(/validationSplit/) })
    )
  }
  expect(() => trainingCount(1, 0.5)).toThrow(/1 samples leaves 0 for training and 1 for validation/)
  expect(() => trainingCount(3, 1e-20)).toThrow(/leaves 3 for training and 0 for validation/)
})
