// What goes wrong while a command runs: it reaches the promise that depends on it, names the op, and nothing else suffers.
import { spawnSync } from 'node:child_process'
import { ops, synchronize, tensor } from '../../lib'
import { native, reserve } from '../../lib/addon'
import { fromSources } from '../support/from-sources'

test('an index out of range is clamped and told by the next read', async () => {
  const x = tensor([10, 20, 30])
  const bad = ops.gather(x, tensor([0, 7], undefined, { dtype: 'int32' }))
  await expect(bad.data()).rejects.toMatchObject({ code: 'ArgumentError', message: expect.stringMatching(/gather.*0 to 2.*7/) })
  expect([...(await bad.data())]).toEqual([10, 30])
  expect([...x.dataSync()]).toEqual([10, 20, 30])
})

test('a stale handle is refused, also when its slot is in use again', () => {
  const old = tensor([1])
  const { handle } = old as unknown as { handle: number }
  old.dispose()
  const next = tensor([2])
  expect((next as unknown as { handle: number }).handle % 2 ** 32).toBe(handle % 2 ** 32)
  expect(() => native.readSync(handle, new Float32Array(1))).toThrow(expect.objectContaining({ code: 'DisposedError' }))
  next.dispose()
})

test('a call that does not fit the op is refused before it can touch memory', () => {
  reserve(8).set([native.ops.findIndex(({ name }) => name === 'add'), 0, 0, 5])
  expect(() => native.submit()).toThrow(/internal check failed/)
  reserve(8).set([1e4, 0, 0, 0])
  expect(() => native.submit()).toThrow(/internal check failed/)
})

test('many reads at once all arrive, in any order of size', async () => {
  const tensors = Array.from({ length: 300 }, (_, i) => ops.full([1 + ((i * 7919) % 50_000)], i))
  const read = await Promise.all(tensors.map((t) => t.data()))
  read.forEach((data, i) => {
    expect(data.length).toBe(1 + ((i * 7919) % 50_000))
    expect(data.every((value) => value === i)).toBe(true)
  })
  for (const t of tensors) t.dispose()
  await synchronize()
})

test('NEURITE_DEBUG_SYNC=1 is the debug switch of a process', () => {
  const program = fromSources(`
    const { ops, tensor } = lib('index')
    try {
      ops.gather(tensor([1, 2]), tensor(Int32Array.of(3)))
      console.log('submitted')
    } catch (error) {
      console.log(error.message)
    }
  `)
  const run = (value: string) =>
    spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env: { ...process.env, NEURITE_DEBUG_SYNC: value } })
  expect(run('1').stdout).toBe('[gather] expected indices from 0 to 1, received 3\n')
  expect(run('0').stdout).toBe('submitted\n')
})
