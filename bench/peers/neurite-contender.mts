// neurite as a contender of peers/main.mts: neurite-contender WORKLOAD MODE, with MODE highest, high or mixed_bfloat16.
import {
  datasets,
  layers,
  losses,
  optimizers,
  random,
  type Sequential,
  sequential,
  setPolicy,
  setPrecision,
  setRandomSeed,
  type Tensor,
  tensor
} from 'neurite'
import { serve } from './contender.mjs'

const [workload, mode] = process.argv.slice(2) as ['mlp' | 'tiny', 'highest' | 'high' | 'mixed_bfloat16']
if (mode === 'mixed_bfloat16') setPolicy(mode)
else setPrecision(mode)

const { sizes, batchSize } = { mlp: { sizes: [512, 512, 10], batchSize: 128 }, tiny: { sizes: [32, 10], batchSize: 8 } }[workload]
const data = workload === 'mlp' ? await mnist() : randomData()

async function mnist() {
  const { train, test } = await datasets.mnist()
  return { x: train.x, y: train.y, xTest: test.x, yTest: test.y }
}

function randomData() {
  const x = random.normal([4096, 32])
  const y = tensor(Int32Array.from({ length: 4096 }, (_, i) => i % 10))
  return { x, y, xTest: x, yTest: y }
}

function build(seed: number): Sequential {
  setRandomSeed(seed)
  const before = workload === 'mlp' ? [layers.rescaling({ scale: 1 / 255, inputShape: [28, 28] }), layers.flatten()] : []
  const dense = sizes.map((units, i) =>
    layers.dense({
      units,
      activation: i < sizes.length - 1 ? 'relu' : undefined,
      ...(workload === 'tiny' && i === 0 && { inputShape: [32] })
    })
  )
  const model = sequential([...before, ...dense])
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  model.compile({ optimizer: optimizers.adam({ learningRate: 1e-3 }), loss, metrics: ['accuracy'] })
  return model
}

let model = build(1)
const samples = data.x.shape[0]!
const stepsPerEpoch = Math.floor(samples / batchSize)
const inputs = new Map<number, Tensor>()

/** Whole epochs, as many as fit best: what a call of fit costs besides its steps is part of the work. */
let secondsOfEpoch = 0
async function train(seconds: number): Promise<number> {
  const epochs = secondsOfEpoch ? Math.max(1, Math.round(seconds / secondsOfEpoch)) : 1
  const begin = performance.now()
  await model.fit(data.x, data.y, { epochs, batchSize, stepsPerEpoch, verbose: 0 })
  secondsOfEpoch = (performance.now() - begin) / 1e3 / epochs
  return epochs * stepsPerEpoch * batchSize
}

function inputOf(batch: number): Tensor {
  return workload === 'mlp' ? tensor(new Uint8Array(batch * 784).fill(7), [batch, 28, 28]) : random.normal([batch, 32])
}

async function predict(batch: number): Promise<void> {
  const x = inputs.get(batch) ?? inputOf(batch)
  inputs.set(batch, x)
  using y = model.predictOnBatch(x)
  await y.data()
}

async function accuracy(seed: number): Promise<number> {
  model.dispose()
  model = build(seed)
  await model.fit(data.x, data.y, { epochs: 1, batchSize, stepsPerEpoch, verbose: 0 })
  return (await model.evaluate(data.xTest, data.yTest, { batchSize: 1000 })).accuracy!
}

await serve(`neurite ${mode}`, { train, predict, accuracy })
