// Copies between devices: in the order of both streams, without waiting, and failures go along.
import { devices, ops, random, scope, synchronize, type Tensor, tensor, variable } from '../../lib'
import { deviceNumber, memoryOf } from '../../lib/device'

const [home, away] = devices().filter(({ usable }) => usable)
if (away === undefined) console.warn('copies between devices are not tested: there is one device')
const betweenDevices = away === undefined ? test.skip : test

betweenDevices('a copy has what the source held when it was asked for, however busy the devices are', async () => {
  const big = random.normal([256, 256])
  const v = variable(tensor([0, 0, 0], undefined, { device: home!.name }))
  const reads: Promise<void>[] = []
  for (let i = 0; i < 40; i++) {
    big.matmul(big).dispose()
    v.assign([i, i + 1, i + 2])
    const there = v.to(away!.name)
    v.assign([-1, -1, -1])
    const doubled = there.add(there)
    const back = doubled.to(home!.name)
    reads.push(back.data().then((data) => expect([...data]).toEqual([2 * i, 2 * i + 2, 2 * i + 4])))
    for (const t of [there, doubled, back]) t.dispose()
  }
  await Promise.all(reads)
  for (const t of [big, v]) t.dispose()
})

betweenDevices('both ways at once, of every size', async () => {
  const before = [home!, away!].map(({ name }) => memoryOf(deviceNumber(name, 'test')).bytes)
  const reads: Promise<void>[] = []
  for (const size of [0, 1, 1000, 3_000_000]) {
    for (const [from, to] of [
      [home!, away!],
      [away!, home!]
    ] as const) {
      const there = scope(() => ops.full([size], size, { device: from.name }).to(to.name))
      expect(there.device).toBe(to.name)
      reads.push(there.data().then((data) => expect(data.length === size && data.every((value) => value === size)).toBe(true)))
      there.dispose()
    }
  }
  await Promise.all(reads)
  expect([home!, away!].map(({ name }) => memoryOf(deviceNumber(name, 'test')).bytes)).toEqual(before)
})

betweenDevices('the failure of what is copied is told by a read of the copy; an index report by the next read of all', async () => {
  const clamped = scope(
    (): Tensor => ops.gather(tensor([1, 2], undefined, { device: away!.name }), tensor(Int32Array.of(4), [1], { device: away!.name }))
  )
  const copy = clamped.to(home!.name)
  expect([...(await copy.data())]).toEqual([2])
  await expect(clamped.data()).rejects.toMatchObject({ op: 'gather' })
  expect([...(await clamped.data())]).toEqual([2])
  await synchronize()
  for (const t of [clamped, copy]) t.dispose()
})
