// Options that nobody knows, and options that are missing: what is refused everywhere, and what one's own classes may have.
import {
  ArgumentError,
  callbacks,
  constraints,
  initializers,
  input,
  Layer,
  layers,
  loadModel,
  losses,
  metrics,
  optimizers,
  regularizers,
  schedules,
  sequential,
  type Tensor,
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
    refused(() => make({ bogus: 1 }), `[${name}] unknown option 'bogus': did you mean '`)
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
