// Options that nobody knows, and options that are missing: what is refused everywhere, and what one's own classes may have.
import {
  ArgumentError,
  activations,
  arange,
  callbacks,
  capture,
  constraints,
  DeviceError,
  datasets,
  eye,
  full,
  initializers,
  input,
  Layer,
  layers,
  linspace,
  loadModel,
  losses,
  metrics,
  ones,
  ops,
  optimizers,
  random,
  regularizers,
  schedules,
  sequential,
  setMemoryLimit,
  type Tensor,
  tensor,
  variable,
  visualize,
  zeros
} from '../lib'
import { registry } from '../lib/layers/serialization'

// biome-ignore lint/suspicious/noExplicitAny: what a caller without types may write
type Any = any
type Make = (options?: Any) => unknown

const refused = (run: () => unknown, message: string): void => {
  expect(run).toThrow(ArgumentError)
  expect(run).toThrow(message)
}
const factoriesOf = (module: object, names: readonly string[]): [string, Make][] =>
  names.map((name) => [name, (module as Record<string, Make>)[name]!])

const required: Record<string, string> = {
  activation: 'option activation',
  adaptiveAveragePooling1d: 'option outputSize',
  adaptiveMaxPooling3d: 'option outputSize',
  alphaDropout: 'option rate',
  conv1d: 'options kernelSize and filters',
  conv2dTranspose: 'options kernelSize and filters',
  dense: 'option units',
  depthwiseConv2d: 'option kernelSize',
  dot: 'option axes',
  dropout: 'option rate',
  gaussianDropout: 'option rate',
  gaussianNoise: 'option stddev',
  lambda: 'option function',
  permute: 'option dims',
  repeatVector: 'option n',
  rescaling: 'option scale',
  reshape: 'option targetShape',
  resizing: 'options height and width',
  separableConv2d: 'options kernelSize and filters',
  spatialDropout2d: 'option rate',
  spectralNormalization: 'option layer'
}

test.each(Object.entries(required))('layers.%s says what it must be told', (name, missing) => {
  const [[, make]] = factoriesOf(layers, [name]) as [[string, Make]]
  for (const options of [undefined, null, {}, { name: 'x' }])
    refused(() => make(options), `[${name}] expected the ${missing}, received undefined`)
})

const factories: [module: string, factories: [string, Make][]][] = [
  [
    'layers',
    factoriesOf(
      layers,
      registry.names.filter((name) => name !== 'inputLayer')
    )
  ],
  ['losses', factoriesOf(losses, ['meanSquaredError', 'huber', 'cosineSimilarity', 'binaryCrossentropy', 'sparseCategoricalCrossentropy'])],
  ['metrics', factoriesOf(metrics, ['accuracy', 'binaryAccuracy', 'meanSquaredError', 'categoricalCrossentropy', 'cosineSimilarity'])],
  ['optimizers', factoriesOf(optimizers, ['sgd', 'adam', 'adamW', 'rmsprop'])],
  ['initializers', factoriesOf(initializers, ['constant', 'identity', 'randomUniform', 'varianceScaling', 'glorotUniform', 'orthogonal'])],
  ['constraints', factoriesOf(constraints, ['maxNorm', 'minMaxNorm', 'unitNorm'])],
  ['regularizers', factoriesOf(regularizers, ['l1', 'l2', 'l1l2'])],
  ['schedules', factoriesOf(schedules, ['cosineDecay', 'exponentialDecay', 'piecewiseConstantDecay'])],
  ['callbacks', factoriesOf(callbacks, ['earlyStopping', 'modelCheckpoint', 'progressBar'])]
]
for (const [module, all] of factories) {
  test.each(all)(`${module}.%s knows its options`, (name, make) => {
    refused(() => make({ bogus: 1 }), `[${name}] unknown option 'bogus': `)
    refused(() => make('bogus'), `[${name}] expected one object of options, received "bogus"`)
  })
}

test('the nearest option is named, and the spelling of other languages', () => {
  refused(
    () => (layers.conv2d as Make)({ filters: 2, kernelSize: 3, stride: 2 }),
    "[conv2d] unknown option 'stride': did you mean 'strides'?"
  )
  refused(() => (layers.conv2d as Make)({ filters: 2, kernel_size: 3 }), '[conv2d] expected the option kernelSize, received kernel_size')
  refused(() => (optimizers.adam as Make)({ lr: 1, learningrate: 2 }), "[adam] unknown option 'lr'")
  refused(() => (metrics.meanSquaredError as Make)({ reduction: 'sum' }), "[meanSquaredError] unknown option 'reduction'")
  refused(() => (initializers.heNormal as Make)({ mode: 'fanOut' }), "[heNormal] unknown option 'mode'")
  refused(() => (layers.activityRegularization as Make)({ activityRegularizer: 'l2' }), "unknown option 'activityRegularizer'")
  refused(() => (input as Make)({ shapes: [1] }), "[input] unknown option 'shapes': did you mean 'shape'?")
  refused(() => sequential([], { inputShape: [1] } as object), "[sequential] unknown option 'inputShape': did you mean 'batchInputShape'?")
})

test('what models take knows its options', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [2] })])
  refused(() => net.compile({ optimiser: 'sgd' } as object), "[compile] unknown option 'optimiser': did you mean 'optimizer'?")
  refused(() => net.summary({ print: console.log } as object), "[summary] unknown option 'print': did you mean 'printFn'?")
  net.compile({ loss: 'mse', optimizer: 'sgd' })
  const [x, y] = [zeros([2, 2]), zeros([2, 1])]
  const rejected = (run: Promise<unknown>, message: string) => expect(run).rejects.toMatchObject({ name: 'ArgumentError', message })
  await rejected(net.fit(x, y, { epoch: 2 } as object), "[fit] unknown option 'epoch': did you mean 'epochs'?")
  await rejected(net.evaluate(x, y, { batchsize: 2 } as object), "[evaluate] unknown option 'batchsize': did you mean 'batchSize'?")
  await rejected(net.predict(x, { batch_size: 2 } as object), '[predict] expected the option batchSize, received batch_size')
  await rejected(
    net.trainOnBatch(x, y, { classWeights: {} } as object),
    "[trainOnBatch] unknown option 'classWeights': did you mean 'classWeight'?"
  )
  await rejected(net.testOnBatch(x, y, { weights: y } as object), "[testOnBatch] unknown option 'weights': did you mean 'sampleWeight'?")
  await rejected(net.save('x', { optimizer: false } as object), "[save] unknown option 'optimizer': did you mean 'includeOptimizer'?")
  await rejected(net.loadWeights('x', { strict: false } as object), "[loadWeights] unknown option 'strict': did you mean 'skipMismatch'?")
  await rejected(loadModel('x', { customObject: {} } as object), "[loadModel] unknown option 'customObject': did you mean 'customObjects'?")
})

const x = zeros([2, 4])
const image = zeros([1, 4, 4, 2])
const rows = tensor([0, 1], [2], { dtype: 'int32' })
const scale = ones([4])
const makers: Record<string, (options: Any) => unknown> = {
  tensor: (o) => tensor([1], [1], o),
  variable: (o) => variable([1], o),
  zeros: (o) => zeros([1], o),
  ones: (o) => ones([1], o),
  full: (o) => full([1], 2, o),
  zerosLike: (o) => ops.zerosLike(x, o),
  onesLike: (o) => ops.onesLike(x, o),
  fullLike: (o) => ops.fullLike(x, 2, o),
  arange: (o) => arange(0, 3, 1, o),
  linspace: (o) => linspace(0, 1, 3, o),
  eye: (o) => eye(2, 2, o),
  gather: (o) => ops.gather(x, rows, 0, o),
  scatterAdd: (o) => ops.scatterAdd(rows, x, [2, 4], o),
  oneHot: (o) => ops.oneHot(rows, 3, o),
  slice: (o) => x.slice([0, 0], [1, 1], o),
  pad: (o) => x.pad(1, o),
  argmax: (o) => x.argmax(0, o),
  argmin: (o) => x.argmin(0, o),
  sum: (o) => x.sum(0, o),
  std: (o) => x.std(0, o),
  leakyRelu: (o) => x.leakyRelu(o),
  elu: (o) => x.elu(o),
  gelu: (o) => x.gelu(o),
  matmul: (o) => x.matmul(zeros([4, 1]), o),
  maxPool: (o) => image.maxPool({ poolSize: 2, ...o }),
  batchNorm: (o) => x.batchNorm(scale, scale, o),
  batchNormTraining: (o) => x.batchNormTraining(o),
  groupNorm: (o) => x.groupNorm(2, o),
  layerNorm: (o) => x.layerNorm(-1, o),
  rmsNorm: (o) => x.rmsNorm(-1, o),
  unitNorm: (o) => x.unitNorm(-1, o),
  uniform: (o) => random.uniform([1], o),
  normal: (o) => random.normal([1], o),
  truncatedNormal: (o) => random.truncatedNormal([1], o),
  bernoulli: (o) => random.bernoulli([1], o),
  integers: (o) => random.integers([1], { maxval: 2, ...o }),
  permutation: (o) => random.permutation(2, o),
  Generator: (o) => new random.Generator(o),
  capture: (o) => capture(() => 1, o),
  setMemoryLimit: (o) => setMemoryLimit(1, o),
  relu: (o) => activations.relu(x, o),
  celu: (o) => activations.celu(x, o),
  hardShrink: (o) => activations.hardShrink(x, o),
  softShrink: (o) => activations.softShrink(x, o),
  squareplus: (o) => activations.squareplus(x, o),
  softmax: (o) => activations.softmax(x, o),
  logSoftmax: (o) => activations.logSoftmax(x, o),
  glu: (o) => activations.glu(x, o),
  dropout: (o) => layers.dropout({ rate: 0.5 }).apply(x, o),
  'visualize.grid': (o) => visualize.grid(image.reshape([2, 4, 4]), o),
  'visualize.activations': (o) => visualize.activations(sequential([layers.dense({ units: 1, inputShape: [4] })]), x, o),
  'visualize.filters': (o) => {
    const conv = layers.conv2d({ filters: 1, kernelSize: 1 })
    conv.apply(image)
    return visualize.filters(conv, o)
  }
}
test.each(Object.entries(makers))('%s knows its options', (name, make) => {
  refused(() => make({ bogus: 1 }), `[${name}] unknown option 'bogus': `)
})

test('a positional argument where options belong', () => {
  refused(() => zeros([2], 'int32' as Any), '[zeros] expected one object of options, received "int32"')
  refused(() => random.normal([2], 0 as Any), '[normal] expected one object of options, received 0')
  refused(() => layers.dropout({ rate: 0.5 }).apply(x, true as Any), '[dropout] expected one object of options, received true')
  refused(
    () => layers.dropout({ rate: 0.5 }).apply(x, { training: 1 } as Any),
    '[dropout] expected training to be true or false, received 1'
  )
  refused(() => (losses.meanSquaredError as Make)(x), '[meanSquaredError] expected one object of options, received Tensor')
  refused(() => variable([1], { trainable: 'no' } as Any), '[variable] expected trainable to be true or false, received "no"')
  refused(() => variable([1], { name: 1 } as Any), '[variable] expected name to be a string, received 1')
  refused(() => x.sum(0, { keepdims: 1 } as Any), '[sum] expected keepdims to be true or false, received 1')
  refused(() => x.gelu({ approximate: 'tanh' } as Any), '[gelu] expected approximate to be true or false, received "tanh"')
})

test('a generator draws on its own device only', () => {
  const generator = new random.Generator({ seed: 1 })
  const drawn = generator.uniform([2], { device: generator.state.device })
  expect(drawn.shape).toEqual([2])
  expect(() => generator.normal([2], { device: 'cuda:7' })).toThrow(DeviceError)
})

test('data sets and visualisations that are promised know their options', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [4] })])
  const rejected = (run: Promise<unknown>, message: string) => expect(run).rejects.toMatchObject({ name: 'ArgumentError', message })
  await rejected(datasets.mnist({ path: 'x' } as object), "[datasets.mnist] unknown option 'path': expected one of 'folder', 'cache'")
  await rejected(datasets.cifar10({ folders: 'x' } as object), "[datasets.cifar10] unknown option 'folders': did you mean 'folder'?")
  await rejected(datasets.fashionMnist({ cache: 3 } as Any), '[datasets.fashionMnist] expected cache to be a path, received 3')
  await rejected(
    visualize.maximizeActivation(net, net.layers[0]!, 0, { step: 1 } as object),
    "[visualize.maximizeActivation] unknown option 'step': did you mean 'steps'?"
  )
})

test('a hook that is misspelt by a letter or two', async () => {
  const net = sequential([layers.dense({ units: 1, inputShape: [4] })])
  net.compile({ loss: 'mse' })
  const train = (callback: object) => net.fit(x, zeros([2, 1]), { callbacks: [callback], verbose: 0 })
  await expect(train({ onEpochEnds() {} })).rejects.toThrow("[fit] unknown hook 'onEpochEnds' of a callback: did you mean 'onEpochEnd'?")
  await train({ onlineNow: 1, getModel() {}, onReady() {} })
})

test("one's own classes have the options that they like", () => {
  class Scale extends Layer {
    constructor(readonly options: { factor: number; name?: string }) {
      super(options)
    }
    override call(x: Tensor): Tensor {
      return x.mul(this.options.factor)
    }
  }
  class Wide extends layers.Dense {
    constructor(options: { factor: number }) {
      super({ units: 2 * options.factor, ...options })
    }
  }
  class Slow extends optimizers.SGD {
    constructor(options: { slowness: number }) {
      super({ learningRate: 1 / options.slowness, ...options })
    }
  }
  class Far extends losses.Huber {
    constructor(options: { near: number }) {
      super({ delta: 2 * options.near, ...options })
    }
  }
  class Floor extends constraints.MaxNorm {
    constructor(options: { floor: number }) {
      super({ maxValue: 2, ...options })
    }
  }
  const net = sequential([new Scale({ factor: 2, name: 'twice' }), new Wide({ factor: 3 })])
  expect(net.layers.map(({ name }) => name)).toEqual(['twice', 'wide'])
  expect([new Slow({ slowness: 4 }).learningRate, new Far({ near: 2 }).delta, new Floor({ floor: 1 }).maxValue]).toEqual([0.25, 4, 2])
  refused(() => new Scale({ factor: 2, input_shape: [1] } as never), '[scale] expected the option inputShape, received input_shape')
  refused(
    () => new (Wide as unknown as new (o: object) => Layer)({ factor: 2, units: undefined }),
    '[wide] expected the option units, received undefined'
  )
})

test('what a layer writes is what it takes', () => {
  const values: Record<string, unknown> = {
    ...Object.fromEntries(
      ['units', 'filters', 'kernelSize', 'outputSize', 'n', 'scale', 'stddev', 'axes', 'height', 'width'].map((key) => [key, 1])
    ),
    targetShape: [1],
    dims: [1],
    activation: 'relu',
    rate: 0.5,
    layer: layers.dense({ units: 1 }),
    function: function twice() {}
  }
  for (const name of registry.names.filter((name) => name !== 'inputLayer')) {
    const { optionNames } = registry.named(name) as unknown as typeof Layer
    const needed = Object.keys(optionNames).filter((key) => optionNames[key] === 'required')
    const [[, make]] = factoriesOf(layers, [name]) as [[string, Make]]
    const layer = make(Object.fromEntries(needed.map((key) => [key, values[key]]))) as Layer
    expect([name, Object.keys(layer.getConfig()).filter((key) => !(key in optionNames))]).toEqual([name, []])
  }
})
