// Predictions after each way of changing a weight: what a replay keeps of the weights (casts, folded batch norms, packed filters) is made again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AnyModel,
  capture,
  input,
  layers,
  memory,
  model,
  type Policy,
  random,
  scope,
  sequential,
  setPolicy,
  setRandomSeed,
  type Tensor,
  tensor,
  type Variable,
  variable
} from '../../lib'
import { keep } from '../../lib/scope'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Of each layer that packs, casts or folds its weights one, with a last panel of features that is narrow. */
function network(): AnyModel {
  const inputs = input({ shape: [12, 12, 3] })
  let x = layers.conv2d({ filters: 40, kernelSize: 3, padding: 'same' }).apply(inputs)
  x = layers.activation({ activation: 'relu' }).apply(layers.batchNormalization().apply(x))
  x = layers.conv2d({ filters: 8, kernelSize: 3, strides: 2, groups: 2 }).apply(x)
  x = layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }).apply(x)
  x = layers.conv2dTranspose({ filters: 6, kernelSize: 3, strides: 2 }).apply(x)
  x = layers.flatten().apply(layers.maxPooling2d().apply(x))
  const net = model({ inputs, outputs: layers.dense({ units: 5 }).apply(layers.dense({ units: 24, activation: 'tanh' }).apply(x)) })
  net.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
  return net
}

const shift = (net: AnyModel, by: number) => scope(() => net.setWeights(net.getWeights().map((w) => w.add(by))))

onEveryDevice(() => {
  afterEach(() => setPolicy('float32'))

  test.each<Policy>(['float32', 'mixed_bfloat16'])('predictions follow the weights: %s', async (policy) => {
    random.normal([1]).dispose() // its generator stays
    await collected()
    const before = memory().tensors
    setPolicy(policy)
    setRandomSeed(3)
    const [net, other] = [network(), network()]
    const batches = [random.normal([1, 12, 12, 3]), random.normal([5, 12, 12, 3])]
    const y = random.normal([5, 5])
    const seen = new Set<string>()
    const check = async (): Promise<void> => {
      for (const x of batches) {
        // The third call is the first replay.
        for (let i = 0; i < 4; i++) {
          using predicted = net.predictOnBatch(x) as Tensor
          using eager = scope(() => net.apply(x) as Tensor)
          const values = await predicted.data()
          expect(values).toEqual(await eager.data())
          if (i === 0) {
            expect(seen.has(String(values))).toBe(false)
            seen.add(String(values))
          }
        }
      }
    }
    await check()
    const kernels = net.weights.filter(({ rank }) => rank > 1)
    const ways: Record<string, () => unknown> = {
      fit: () => net.fit(batches[1]!, y, { epochs: 2, batchSize: 2, verbose: 0 }),
      trainOnBatch: () => net.trainOnBatch(batches[1]!, y),
      setWeights: () => shift(net, 0.03),
      loadWeights: async () => {
        shift(other, -0.02)
        await other.saveWeights(join(folder, 'weights.safetensors'))
        await net.loadWeights(join(folder, 'weights.safetensors'))
      },
      ...Object.fromEntries(
        net.weights.map((w, i) => [`assign ${i}`, () => scope(() => w.assign(w.mul(0.8).add(i % 2 === 0 ? 0.05 : 0.11)))])
      ),
      'the replay of another program': () => {
        const scale = capture(() => void kernels.forEach((w) => void w.assign(w.mul(1.1))))
        for (let i = 0; i < 4; i++) scope(scale)
        scale.dispose()
      }
    }
    for (const change of Object.values(ways)) {
      await change()
      await check()
    }
    net.dispose()
    other.dispose()
    for (const t of [...batches, y]) t.dispose()
    await collected()
    expect(memory().tensors).toBeLessThanOrEqual(before)
  })

  test('what is kept is made again in any mixture of writers and readers', async () => {
    const w: Variable = variable(tensor([1, 2, 3]))
    const offset = tensor([10, 20, 30])
    // w is read, written by a command of the same program, and read again.
    const count = capture((x: Tensor) => {
      const early = w.mul(2).add(x)
      w.assign(w.add(1))
      return [early, w.mul(2).add(x)]
    })
    const read = capture((x: Tensor) => w.square().add(offset.neg()).mul(x))
    const x = tensor([1, 1, 1])
    for (let value = 1; value < 7; value++) {
      const [early, late, squared] = scope(() => [...count(x), read(x)]) as [Tensor, Tensor, Tensor]
      expect([...(await early.data())]).toEqual([2 * value + 1, 2 * value + 3, 2 * value + 5])
      expect([...(await late.data())]).toEqual([2 * value + 3, 2 * value + 5, 2 * value + 7])
      expect([...(await squared.data())]).toEqual([0, 1, 2].map((i) => (value + 1 + i) ** 2 - 10 * (i + 1)))
      for (const t of [early, late, squared]) t.dispose()
    }
    for (const t of [w, offset, x, count, read]) t.dispose()
  })

  test('a tensor that a program makes for a closure is written by each replay', async () => {
    let closed: Tensor | undefined
    const make = capture((x: Tensor) => {
      closed?.dispose()
      closed = x.mul(3)
      keep(closed)
      return x.add(1)
    })
    const inputs = [1, 2, 3, 4, 5].map((v) => tensor([v]))
    for (const x of inputs.slice(0, 2)) make(x).dispose()
    const read = capture((x: Tensor) => closed!.square().add(x))
    for (let i = 0; i < 2; i++) read(inputs[0]!).dispose()
    for (const [i, x] of inputs.entries()) {
      make(x).dispose()
      using y = read(inputs[0]!)
      expect(await y.item()).toBe((3 * (i + 1)) ** 2 + 1)
    }
    for (const t of [...inputs, closed!, make, read]) t.dispose()
  })

  test('memory of what is kept is counted, and freed with the program', async () => {
    const w = variable(random.normal([64, 64]))
    const x = random.normal([64, 64])
    // The arena is large enough before.
    const others = capture((t: Tensor) => t.add(1).mul(t).add(t.mul(2)))
    for (let i = 0; i < 2; i++) others(x).dispose()
    await collected()
    const before = memory().bytes
    const product = capture((t: Tensor) => t.cast('bfloat16').matmul(w.cast('bfloat16')))
    for (let i = 0; i < 2; i++) product(x).dispose()
    expect(memory().bytes - before).toBeGreaterThanOrEqual(64 * 64 * 2)
    product.dispose()
    expect(memory().bytes).toBeLessThanOrEqual(before)
    for (const t of [others, w, x]) t.dispose()
  })
})

test('a sequential model with shared variables predicts with what the other trains', async () => {
  const shared = layers.dense({ units: 3 })
  const a = sequential([layers.inputLayer({ shape: [4] }), shared])
  const b = sequential([layers.inputLayer({ shape: [4] }), shared, layers.dense({ units: 1 })])
  b.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
  const [x, y] = [random.normal([6, 4]), random.normal([6, 1])]
  for (let i = 0; i < 5; i++) {
    using predicted = a.predictOnBatch(x) as Tensor
    using eager = scope(() => a.apply(x) as Tensor)
    expect(await predicted.data()).toEqual(await eager.data())
    await b.trainOnBatch(x, y)
  }
  for (const t of [a, b, x, y]) t.dispose()
})
