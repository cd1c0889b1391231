// Workers ended in the middle of fit, one after the other: every moment of it must be a good one. Under AddressSanitizer in .ci/run.
//
//   NEURITE_TEST_WORKERS   how many are ended (default 40)
import { Worker } from 'node:worker_threads'
import { memory, synchronize, tensor } from '../../lib'
import { collected } from '../support/collected'
import { fromSources } from '../support/from-sources'

const count = Number(process.env.NEURITE_TEST_WORKERS) || 40
const atOnce = 4

const program = fromSources(`
  const { parentPort } = require('node:worker_threads')
  const { layers, random, sequential, zeros } = lib('index')
  const model = sequential([layers.dense({ units: 32, activation: 'relu', inputShape: [16] }), layers.dropout({ rate: 0.1 }), layers.dense({ units: 4 })])
  model.compile({ optimizer: 'adam', loss: 'mse', metrics: ['mae'] })
  const [x, y] = [random.normal([256, 16]), zeros([256, 4])]
  parentPort.postMessage('fitting')
  model.fit(x, y, { epochs: 1e6, batchSize: 8, validationSplit: 0.25, verbose: 0 })
`)

/** Starts a worker and ends it some milliseconds after it has begun to fit, or before, while it loads. */
async function endOne(number: number): Promise<'fitting' | 'loading'> {
  const worker = new Worker(program, { eval: true })
  let state: 'fitting' | 'loading' = 'loading'
  const failed = new Promise<never>((_, reject) => worker.once('error', reject))
  const fits = new Promise<void>((resolve) => worker.once('message', () => resolve()))
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  await Promise.race([failed, number % 8 === 7 ? wait(number % 61) : fits.then(() => (state = 'fitting'))])
  await Promise.race([failed, wait((number * 7) % 43)])
  await worker.terminate()
  return state
}

test(
  `${count} workers are ended in the middle of fit`,
  async () => {
    await endOne(0)
    await collected()
    const before = memory()
    const states: string[] = []
    for (let number = 0; number < count; number += atOnce) {
      states.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, count - number) }, (_, i) => endOne(number + i)))))
    }
    expect(states.filter((state) => state === 'fitting').length).toBeGreaterThanOrEqual(Math.floor((7 / 8) * count))
    await synchronize()
    // The process goes on, and holds what it held: the arena that all programs of a stream share may have grown.
    expect(memory().tensors).toBeLessThanOrEqual(before.tensors) // fewer, if garbage of earlier tests went

    expect(memory().bytes - before.bytes).toBeLessThan(2 ** 20)
    const x = tensor([1, 2])
    expect([...(await x.add(x).data())]).toEqual([2, 4])
    x.dispose()
  },
  60_000 + 2000 * count
)
