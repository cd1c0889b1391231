// scope: what it frees, what it keeps.
import { memory, scope, type Tensor, tensor, variable } from '../lib'
import { collected } from './support/collected'

let before = 0
beforeEach(async () => {
  await collected()
  before = memory().tensors
})
const live = () => memory().tensors - before

test('frees all but the result, in arrays and records too', () => {
  const kept = scope(() => {
    const a = tensor([1])
    const b = a.add(1)
    b.mul(2)
    return { a, list: [b, { c: b.neg() }], n: 3 }
  })
  expect(live()).toBe(3)
  expect([...kept.a.dataSync(), ...(kept.list[0] as Tensor).dataSync()]).toEqual([1, 2])
  for (const t of [kept.a, kept.list[0] as Tensor, (kept.list[1] as { c: Tensor }).c]) t.dispose()
  expect(live()).toBe(0)
})

test('variables are exempt', () => {
  const v = scope(() => {
    const v = variable(tensor([1, 2]))
    v.assign(v.add(1))
    return { v, other: 0 }
  }).v
  expect(live()).toBe(1)
  expect([...v.dataSync()]).toEqual([2, 3])
  v.dispose()
})

test('a result belongs to the scope around it', () => {
  scope(() => {
    const x = scope(() => tensor([1]).add(1))
    expect(live()).toBe(1)
    return x.dataSync()
  })
  expect(live()).toBe(0)
})

test('a tensor from outside stays, also as a result', () => {
  const x = tensor([1])
  const same = scope(() => x)
  expect(same).toBe(x)
  expect(x.disposed).toBe(false)
  x.dispose()
  expect(live()).toBe(0)
})

test('an error frees everything and goes through', () => {
  expect(() =>
    scope(() => {
      tensor([1]).add(1)
      throw new RangeError('mine')
    })
  ).toThrow('mine')
  expect(live()).toBe(0)
})

test('a function that returns a promise is refused', () => {
  expect(() => scope(async () => tensor([1]))).toThrow(
    expect.objectContaining({ name: 'ArgumentError', message: expect.stringContaining('[scope] expected') })
  )
  expect(live()).toBe(0)
})
