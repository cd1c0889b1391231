// Worker threads: several at once, ended at any moment.
import { Worker } from 'node:worker_threads'
import { memory, synchronize, tensor } from '../../lib'
import { fromSources } from '../support/from-sources'

const program = fromSources(`
  const { parentPort } = require('node:worker_threads')
  const { capture, ops, random, setRandomSeed, synchronize } = lib('index')
  setRandomSeed(3)
  const x = random.normal([64, 64])
  const step = capture((t) => t.matmul(x).tanh().add(t))
  ;(async () => {
    let t = random.normal([64, 64])
    for (let i = 1; ; i++) {
      const next = step(t)
      t.dispose()
      t = next
      if (i === 50) parentPort.postMessage(await t.data())
      if (i % 50 === 0) await synchronize()
    }
  })()
`)
const start = () => new Worker(program, { eval: true })
const firstMessage = (worker: Worker) =>
  new Promise<Float32Array>((done, fail) => {
    worker.once('message', done)
    worker.once('error', fail)
  })

test('workers compute the same, side by side, and are ended in the middle of it', async () => {
  const workers = [start(), start(), start()]
  const [a, b, c] = await Promise.all(workers.map(firstMessage))
  expect(a!.every(Number.isFinite)).toBe(true)
  expect(b).toEqual(a)
  expect(c).toEqual(a)
  await Promise.all(workers.map((worker) => worker.terminate()))
})

test('workers ended at any moment leave nothing behind', async () => {
  const before = memory().bytes
  for (let i = 0; i < 12; i++) {
    const worker = start()
    await new Promise((online) => worker.once('online', online))
    await new Promise((later) => setTimeout(later, (i * 13) % 60))
    await worker.terminate()
  }
  // What stays is the arena that all programs of the stream share.
  expect(memory().bytes - before).toBeLessThan(2 ** 20)
  const x = tensor([1, 2])
  expect([...x.add(x).dataSync()]).toEqual([2, 4])
  x.dispose()
})

test('an index out of range is told in the environment whose it is', async () => {
  const worker = new Worker(
    fromSources(`
      const { parentPort } = require('node:worker_threads')
      const { ops, synchronize, tensor } = lib('index')
      ops.gather(tensor([1, 2]), tensor([5], undefined, { dtype: 'int32' }))
      // Until it has run; its failure is told here, or never.
      setTimeout(async () => {
        parentPort.postMessage('ran')
        await new Promise((resolve) => parentPort.once('message', resolve))
        await synchronize().catch((error) => parentPort.postMessage(error.message))
        process.exit()
      }, 50)
    `),
    { eval: true }
  )
  const message = () => new Promise((resolve) => worker.once('message', resolve))
  expect(await message()).toBe('ran')
  await synchronize()
  expect([...(await tensor([3]).data())]).toEqual([3])
  const told = message()
  worker.postMessage('go on')
  expect(await told).toBe('[gather] expected indices from 0 to 1, received 5')
  await worker.terminate()
})
