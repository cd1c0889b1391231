// The whole-model workloads of the benchmarks: their models, their data, and one object that trains and predicts with them.
import {
  type AnyModel,
  datasets,
  input,
  layers,
  losses,
  model,
  ops,
  optimizers,
  random,
  type Sequential,
  type SymbolicTensor,
  sequential,
  setRandomSeed,
  type Tensor,
  tensor
} from 'neurite'

export type WorkloadName = 'mlp' | 'lenet' | 'vgg' | 'resnet20' | 'conv1d' | 'tiny'

interface Workload {
  title: string
  inputShape: readonly number[]
  outputs: number
  batch: number
  /** Batch of the predictions that are not of one sample. */
  predicts: number
  /** Samples of the random data; absent: MNIST. */
  samples?: number
  optimizer: 'adam' | 'sgd'
  loss: 'sparseCategoricalCrossentropy' | 'binaryCrossentropy'
  build(inputShape: readonly number[]): AnyModel
}

const dense = (units: number[], first: object = {}) =>
  units.map((n, i) => layers.dense({ units: n, ...(i < units.length - 1 && { activation: 'relu' as const }), ...(i === 0 && first) }))

/** Bytes to [0, 1]. */
const scaled = (inputShape: readonly number[]) => layers.rescaling({ scale: 1 / 255, inputShape })

function lenet(inputShape: readonly number[]): Sequential {
  const convolution = (filters: number) => layers.conv2d({ filters, kernelSize: 5, padding: 'same', activation: 'relu' })
  return sequential([
    scaled(inputShape),
    layers.reshape({ targetShape: [28, 28, 1] }),
    convolution(32),
    layers.maxPooling2d(),
    convolution(64),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dense({ units: 256, activation: 'relu' }),
    layers.dropout({ rate: 0.5 }),
    layers.dense({ units: 10 })
  ])
}

function vgg(inputShape: readonly number[]): Sequential {
  const block = (filters: number, first: object = {}) => [
    layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...first }),
    layers.batchNormalization(),
    layers.activation({ activation: 'relu' })
  ]
  return sequential([
    ...block(64, { inputShape }),
    ...block(64),
    layers.maxPooling2d(),
    ...block(128),
    ...block(128),
    layers.maxPooling2d(),
    ...block(256),
    ...block(256),
    layers.globalAveragePooling2d(),
    layers.dense({ units: 10 })
  ])
}

/** He et al., 2015, section 4.2: a shortcut that changes its size takes every second pixel and pads the channels with zeros (option A). */
function resnet20(inputShape: readonly number[]): AnyModel {
  const relu = (x: SymbolicTensor) => layers.activation({ activation: 'relu' }).apply(x)
  const normalized = (x: SymbolicTensor, filters: number, strides = 1) => {
    const convolution = layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', useBias: false })
    return layers.batchNormalization().apply(convolution.apply(x))
  }
  const shrink = (x: Tensor) => {
    const half = x.shape[3]! / 2
    return ops.pad(ops.averagePool(x, { poolSize: 1, strides: 2 }), [
      [0, 0],
      [0, 0],
      [0, 0],
      [half, half]
    ])
  }
  const inputs = input({ shape: inputShape })
  let x = relu(normalized(inputs, 16))
  for (const filters of [16, 32, 64]) {
    for (let block = 0; block < 3; block++) {
      const strides = block === 0 && filters > 16 ? 2 : 1
      const branch = normalized(relu(normalized(x, filters, strides)), filters)
      const shortcut = strides === 2 ? layers.lambda({ function: shrink, name: `shortcut${filters}` }).apply(x) : x
      x = relu(layers.add().apply([shortcut, branch]))
    }
  }
  return model({ inputs, outputs: layers.dense({ units: 10 }).apply(layers.globalAveragePooling2d().apply(x)) })
}

function conv1d(inputShape: readonly number[]): Sequential {
  const block = (filters: number, first: object = {}) => [
    layers.conv1d({ filters, kernelSize: 9, padding: 'same', activation: 'relu', ...first }),
    layers.maxPooling1d()
  ]
  return sequential([...block(32, { inputShape }), ...block(64), layers.flatten(), ...dense([128, 3])])
}

const classes = { outputs: 10, loss: 'sparseCategoricalCrossentropy' } as const
export const workloads: Record<WorkloadName, Workload> = {
  mlp: {
    title: 'W1 mlp 784-512-512-10',
    inputShape: [28, 28],
    ...classes,
    batch: 128,
    predicts: 256,
    optimizer: 'adam',
    build: (inputShape) => sequential([scaled(inputShape), layers.flatten(), ...dense([512, 512, 10])])
  },
  lenet: { title: 'W2 lenet', inputShape: [28, 28], ...classes, batch: 128, predicts: 128, optimizer: 'adam', build: lenet },
  vgg: { title: 'W3 vgg', inputShape: [32, 32, 3], ...classes, batch: 64, predicts: 64, samples: 2048, optimizer: 'sgd', build: vgg },
  resnet20: {
    title: 'W4 resnet20',
    inputShape: [32, 32, 3],
    ...classes,
    batch: 128,
    predicts: 128,
    samples: 2048,
    optimizer: 'sgd',
    build: resnet20
  },
  conv1d: {
    title: 'W6 conv1d',
    inputShape: [1024, 1],
    outputs: 3,
    loss: 'binaryCrossentropy',
    batch: 64,
    predicts: 64,
    samples: 2048,
    optimizer: 'adam',
    build: conv1d
  },
  tiny: {
    title: 'tiny 32-32-10',
    inputShape: [32],
    ...classes,
    batch: 8,
    predicts: 256,
    samples: 16000,
    optimizer: 'adam',
    build: (inputShape) => sequential(dense([32, 10], { inputShape }))
  }
}

interface Data {
  x: Tensor
  y: Tensor
  test?: { x: Tensor; y: Tensor }
}

async function dataOf({ inputShape, outputs, samples, loss }: Workload): Promise<Data> {
  if (samples === undefined) {
    const { train, test } = await datasets.mnist()
    return { ...train, test }
  }
  const x = random.normal([samples, ...inputShape])
  if (loss === 'binaryCrossentropy') return { x, y: random.bernoulli([samples, outputs]) }
  return { x, y: tensor(Int32Array.from({ length: samples }, (_, i) => i % outputs)) }
}

/** A workload's model with its data on the current device. */
export class Training {
  readonly workload: Workload
  readonly #data: Data
  readonly #inputs = new Map<number, Tensor>()
  #model: AnyModel
  #secondsOfStep = 0

  static async of(name: WorkloadName): Promise<Training> {
    return new Training(workloads[name], await dataOf(workloads[name]))
  }

  private constructor(workload: Workload, data: Data) {
    this.workload = workload
    this.#data = data
    this.#model = this.#build(1)
  }

  #build(seed: number): AnyModel {
    setRandomSeed(seed)
    const { inputShape, optimizer, loss, samples, build } = this.workload
    const built = build(inputShape)
    built.compile({
      optimizer: optimizer === 'adam' ? optimizers.adam({ learningRate: 1e-3 }) : optimizers.sgd({ learningRate: 0.01, momentum: 0.9 }),
      loss: losses[loss]({ fromLogits: true }),
      metrics: samples === undefined ? ['accuracy'] : []
    })
    return built
  }

  /** Floating-point operations of training on a sample, in products and convolutions: forward, and two gradients of all but the first layer, which has one. */
  get flops(): number {
    const forward = this.#model.layers.flatMap((layer) => {
      if (!(layer instanceof layers.Dense || layer instanceof layers.Conv1d || layer instanceof layers.Conv2d)) return []
      const places = (layer.output as SymbolicTensor).shape.slice(1, -1) as number[]
      return [2 * places.reduce((a, b) => a * b, layer.kernel!.size)]
    })
    return 3 * forward.reduce((a, b) => a + b) - forward[0]!
  }

  get #stepsOfData(): number {
    return Math.floor(this.#data.x.shape[0]! / this.workload.batch)
  }

  /**
   * Trains for about that long (the first call: a few steps) by one call of fit, whose own cost is part of the work; whole epochs where they
   * fit. Returns samples.
   */
  async train(seconds: number): Promise<number> {
    const { batch: batchSize } = this.workload
    const steps = this.#secondsOfStep ? Math.max(1, Math.round(seconds / this.#secondsOfStep)) : 5
    const epochs = Math.max(1, Math.round(steps / this.#stepsOfData))
    const stepsPerEpoch = Math.min(steps, this.#stepsOfData)
    const begin = performance.now()
    await this.#model.fit(this.#data.x, this.#data.y, { epochs, batchSize, stepsPerEpoch, verbose: 0 })
    this.#secondsOfStep = (performance.now() - begin) / 1e3 / (epochs * stepsPerEpoch)
    return epochs * stepsPerEpoch * batchSize
  }

  /** Predicts a batch and reads it back. */
  async predict(batch: number): Promise<void> {
    const { inputShape, samples } = this.workload
    const shape = [batch, ...inputShape]
    const x =
      this.#inputs.get(batch) ??
      (samples === undefined ? tensor(new Uint8Array(shape.reduce((a, b) => a * b)).fill(7), shape) : random.normal(shape))
    this.#inputs.set(batch, x)
    using y = this.#model.predictOnBatch(x) as Tensor
    await y.data()
  }

  /** Test accuracy after one epoch from new weights, of the workloads on MNIST. */
  async accuracy(seed: number): Promise<number> {
    const { x, y, test } = this.#data
    const { batch: batchSize } = this.workload
    this.#model.dispose()
    this.#model = this.#build(seed)
    await this.#model.fit(x, y, { epochs: 1, batchSize, stepsPerEpoch: this.#stepsOfData, verbose: 0 })
    return (await this.#model.evaluate(test!.x, test!.y, { batchSize: 1000 })).accuracy!
  }
}
