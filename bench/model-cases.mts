// The whole-model cases of `npm run bench`: training and prediction of dense networks, as samples per second.
import { layers, losses, random, type Sequential, sequential, type Tensor, tensor } from 'neurite'

export interface ModelCase {
  name: string
  batch: number
  /** Multiply-adds of one sample's training step times two, matrix products only. */
  flops: number
  /** Trains one epoch; returns samples. */
  epoch: () => Promise<number>
  /** Predicts one batch and reads it back; returns samples. */
  predict: (batch: number) => Promise<number>
}

interface Workload {
  sizes: readonly [features: number, ...units: number[]]
  batch: number
  samples: number
}

const workloads: Record<string, Workload> = {
  'W1 mlp 784-512-512-10': { sizes: [784, 512, 512, 10], batch: 128, samples: 128 * 100 },
  'tiny 32-32-10': { sizes: [32, 32, 10], batch: 8, samples: 8 * 2000 }
}

function build([features, ...units]: Workload['sizes']): Sequential {
  const dense = units.map((n, i) =>
    layers.dense({ units: n, activation: i < units.length - 1 ? 'relu' : undefined, ...(i === 0 && { inputShape: [features] }) })
  )
  const model = sequential(dense)
  model.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
  return model
}

export function modelCase(name: string): ModelCase {
  const { sizes, batch, samples } = workloads[name]!
  const model = build(sizes)
  const x = random.normal([samples, sizes[0]])
  const y = tensor(Int32Array.from({ length: samples }, (_, i) => i % sizes.at(-1)!))
  const inputs = new Map<number, Tensor>()
  // Forward, and both gradients of each product but the input gradient of the first.
  const products = sizes.slice(1).map((n, i) => 2 * n * sizes[i]!)
  return {
    name,
    batch,
    flops: 3 * products.reduce((a, b) => a + b) - products[0]!,
    async epoch() {
      await model.fit(x, y, { epochs: 1, batchSize: batch, verbose: 0 })
      return samples
    },
    async predict(n) {
      const input = inputs.get(n) ?? random.normal([n, sizes[0]])
      inputs.set(n, input)
      using output = model.predictOnBatch(input)
      await output.data()
      return n
    }
  }
}

export const modelNames = Object.keys(workloads)
