// Fused models: the same numbers as layer by layer, the ops that are run, and what is left alone.
import {
  type AnyLayer,
  type CallContext,
  DisposedError,
  input,
  type Layer,
  layers,
  losses,
  type Model,
  model,
  ops,
  optimizers,
  random,
  ShapeError,
  type Structure,
  type SymbolicTensor,
  sequential,
  setPrecision,
  setRandomSeed,
  type Tensor,
  tensor,
  type Variable,
  valueAndGrad
} from '../../lib'
import { native, shared } from '../../lib/addon'
import type { BatchNormalization } from '../../lib/layers/batch-normalization'
import type { MaxPooling2d } from '../../lib/layers/pooling'
import { onEveryDevice } from '../support/op-suite'

beforeAll(() => setPrecision('highest'))
beforeEach(() => setRandomSeed(5))

/** The names of the ops that `fn` runs. */
function opsOf(fn: () => unknown): string[] {
  const names: string[] = []
  const { submit } = native
  const spy = jest.spyOn(native, 'submit').mockImplementation(() => {
    names.push(native.ops[shared.buffer[0]!]!.name)
    submit.call(native)
  })
  try {
    fn()
  } finally {
    spy.mockRestore()
  }
  return names
}

const relu = (options = {}) => layers.activation({ activation: 'relu', ...options })
const conv = (options = {}) => layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', ...options })
/** Statistics that are not 0 and 1, gamma and beta too. */
function unsettle(net: AnyLayer): void {
  for (const w of net.weights) {
    const value = w.name.includes('variance')
      ? random.uniform(w.shape, { minval: 0.5, maxval: 2 })
      : random.normal(w.shape, { stddev: 0.5 })
    w.assign(value)
    value.dispose()
  }
}

/** A block of a residual network, and the same function layer by layer. */
function residual(options: { after?: boolean; shortcut?: boolean } = {}) {
  const { after = true, shortcut = false } = options
  const own = [
    conv(),
    layers.batchNormalization({ momentum: 0.5 }),
    relu(),
    conv({ useBias: false }),
    layers.batchNormalization({ momentum: 0.5 })
  ]
  const [side, sideNorm, sum, last] = [conv({ kernelSize: 1 }), layers.batchNormalization({ momentum: 0.5 }), layers.add(), relu()]
  const draw = <T extends Tensor | SymbolicTensor>(x: T, apply: (layer: Layer, x: Structure<T>) => T): T => {
    const y = own.reduce((t, layer) => apply(layer, t), x)
    const z = shortcut ? apply(sideNorm, apply(side, x)) : x
    const added = apply(sum, [z, y])
    return after ? apply(last, added) : added
  }
  const x = input({ shape: [6, 6, 4] })
  const net = model({ inputs: x, outputs: draw<SymbolicTensor>(x, (layer, t) => layer.apply(t)) })
  return { net, byLayer: (t: Tensor, training: boolean) => draw<Tensor>(t, (layer, u) => layer.apply(u, { training })) }
}

function chain(...list: Layer[]) {
  const net = sequential(list, { batchInputShape: [null, 6, 6, 4] })
  return { net, byLayer: (t: Tensor, training: boolean) => list.reduce((u, layer) => layer.apply(u, { training }), t) }
}

/** A branch whose result the input is added to. */
function shortcut(branch: Layer[], last?: Layer) {
  const sum = layers.add()
  const draw = <T extends Tensor | SymbolicTensor>(x: T, apply: (layer: Layer, x: Structure<T>) => T): T => {
    const added = apply(sum, [branch.reduce((t, layer) => apply(layer, t), x), x])
    return last ? apply(last, added) : added
  }
  const x = input({ shape: [6, 6, 4] })
  const net = model({ inputs: x, outputs: draw<SymbolicTensor>(x, (layer, t) => layer.apply(t)) })
  return { net, byLayer: (t: Tensor, training: boolean) => draw<Tensor>(t, (layer, u) => layer.apply(u, { training })) }
}

interface Twin {
  net: Model
  byLayer: (x: Tensor, training: boolean) => Tensor
}

const twins: Record<string, () => Twin> = {
  'conv, relu': () => chain(conv(), relu()),
  'conv without bias, layer relu': () => chain(conv({ useBias: false }), layers.relu()),
  'conv, sigmoid': () => chain(conv(), relu({ activation: 'sigmoid' })),
  'transposed conv, tanh': () => chain(layers.conv2dTranspose({ filters: 3, kernelSize: 2, strides: 2 }), relu({ activation: 'tanh' })),
  'dense, relu': () => chain(layers.dense({ units: 5 }), relu()),
  'conv, batchNormalization': () => chain(conv(), layers.batchNormalization({ momentum: 0.5 })),
  'conv, batchNormalization, relu': () => chain(conv({ strides: 2, dilationRate: 1 }), layers.batchNormalization(), relu()),
  'conv of groups, batchNormalization without scale, relu': () =>
    chain(conv({ groups: 2, useBias: false }), layers.batchNormalization({ scale: false, axis: 3 }), relu()),
  'depthwise, batchNormalization without center': () =>
    chain(layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }), layers.batchNormalization({ center: false })),
  'depthwise with relu, batchNormalization': () =>
    chain(layers.depthwiseConv2d({ kernelSize: 3, strides: 2, activation: 'relu' }), layers.batchNormalization()),
  'depthwise, tanh, batchNormalization, relu': () =>
    chain(layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }), relu({ activation: 'tanh' }), layers.batchNormalization(), relu()),
  'conv with sigmoid, batchNormalization, relu': () => chain(conv({ activation: 'sigmoid' }), layers.batchNormalization(), relu()),
  'conv, relu, batchNormalization, maxPooling': () => chain(conv(), relu(), layers.batchNormalization(), layers.maxPooling2d()),
  'conv with relu, batchNormalization that is not trained': () =>
    chain(conv({ activation: 'relu' }), layers.batchNormalization({ trainable: false })),
  'dense with relu, batchNormalization': () => chain(layers.dense({ units: 5, activation: 'relu' }), layers.batchNormalization()),
  'separable with relu, batchNormalization': () =>
    chain(layers.separableConv2d({ filters: 3, kernelSize: 3, depthMultiplier: 2, activation: 'relu' }), layers.batchNormalization()),
  'separable, batchNormalization, relu': () =>
    chain(layers.separableConv2d({ filters: 3, kernelSize: 3 }), layers.batchNormalization(), layers.relu()),
  'dense, batchNormalization, relu': () => chain(layers.dense({ units: 5 }), layers.batchNormalization(), relu()),
  'transposed conv, batchNormalization, relu': () =>
    chain(layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2 }), layers.batchNormalization(), relu()),
  'batchNormalization that is not trained, relu': () => chain(conv(), layers.batchNormalization({ trainable: false }), relu()),
  'conv with relu, maxPooling': () => chain(conv({ activation: 'relu' }), layers.maxPooling2d()),
  'conv, sigmoid, maxPooling of windows that overlap': () =>
    chain(conv({ groups: 2 }), relu({ activation: 'sigmoid' }), layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  'conv without bias, maxPooling': () => chain(conv({ useBias: false, strides: 2 }), layers.maxPooling2d()),
  'conv, maxPooling, dense': () => chain(conv(), layers.maxPooling2d(), layers.flatten(), layers.dense({ units: 3 })),
  'conv, batchNormalization, relu, maxPooling': () =>
    chain(conv(), layers.batchNormalization({ momentum: 0.5 }), relu(), layers.maxPooling2d()),
  'conv, batchNormalization, maxPooling of windows that overlap': () =>
    chain(conv({ useBias: false }), layers.batchNormalization(), layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  'depthwise, batchNormalization, relu, maxPooling': () =>
    chain(layers.depthwiseConv2d({ kernelSize: 3 }), layers.batchNormalization(), relu(), layers.maxPooling2d()),
  'transposed conv, maxPooling': () => chain(layers.conv2dTranspose({ filters: 3, kernelSize: 2 }), layers.maxPooling2d()),
  'conv, sum': () => shortcut([conv()]),
  'conv, sum, relu': () => shortcut([conv(), relu(), conv({ groups: 2, useBias: false })], relu()),
  'conv, sum, tanh': () => shortcut([conv({ kernelSize: 1 })], relu({ activation: 'tanh' })),
  'conv with relu, sum, relu': () => shortcut([conv({ activation: 'relu' })], relu()),
  'depthwise, sum, relu': () => shortcut([layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' })], relu()),
  'dense, sum, relu': () => shortcut([layers.dense({ units: 4 })], relu()),
  'dense, batchNormalization, sum, relu': () => shortcut([layers.dense({ units: 4 }), layers.batchNormalization()], relu()),
  'residual block': () => residual(),
  'residual block without relu': () => residual({ after: false }),
  'residual block with a shortcut of its own': () => residual({ shortcut: true }),
  nested: () => {
    const inner = chain(conv(), layers.batchNormalization(), relu())
    const outer = chain(inner.net, conv(), relu())
    return outer
  }
}

onEveryDevice(() => {
  describe('the numbers of the layers one by one:', () => {
    test.each(Object.entries(twins))('%s', async (_name, make) => {
      const { net, byLayer } = make()
      unsettle(net)
      const initial = net.getWeights()
      const x = random.normal([3, 6, 6, 4])
      const close = async (a: Tensor, b: Tensor) => {
        const [received, expected] = [await a.data(), await b.data()]
        expect(a.shape).toEqual(b.shape)
        const scale = Math.max(...Array.from(expected, Math.abs), 1e-3)
        for (const [i, value] of expected.entries()) expect(Math.abs(received[i]! - value) / scale).toBeLessThan(1e-4)
      }
      await close(net.apply(x), byLayer(x, false))
      await close(net.predictOnBatch(x), byLayer(x, false))
      const variables = [x, ...net.trainableVariables]
      const seed = random.normal(byLayer(x, false).shape)
      for (const training of [false, true]) {
        const step = (y: (x: Tensor, training: boolean) => Tensor) => {
          net.setWeights(initial)
          const { value, grads } = valueAndGrad(() => y(x, training).mul(seed).sum(), variables)
          return [value, ...grads, ...net.getWeights()]
        }
        const fused = step((t, training) => net.apply(t, { training }))
        const plain = step(byLayer)
        for (const [i, t] of fused.entries()) await close(t, plain[i]!)
      }
    })
  })
})

describe('the ops that are run', () => {
  const run = (net: Model, training: boolean, batch = 64) => opsOf(() => net.apply(random.normal([batch, 6, 6, 4]), { training })).slice(1)
  // random.normal itself
  const skip = (names: string[]) => names.filter((name) => !['advanceRandom', 'randomNormal', 'copy'].includes(name))

  test('training: the product takes the statistics, one pass that normalises, adds and rectifies, and the moving statistics', () => {
    const block = ['conv', 'channelNorm', 'movingAverage']
    expect(skip(run(chain(conv(), layers.batchNormalization(), relu()).net, true))).toEqual(block)
    expect(skip(run(residual().net, true))).toEqual([...block, ...block])
    const other = chain(layers.dense({ units: 5 }), layers.batchNormalization(), relu()).net
    expect(skip(run(other, true))).toEqual(['matmul', 'channelMoments', 'channelNorm', 'movingAverage'])
  })

  test('training: behind an activation and of any convolution in one direction, the statistics are taken in its pass too', () => {
    const block = ['conv', 'channelNorm', 'movingAverage']
    const norm = () => layers.batchNormalization()
    expect(skip(run(chain(conv({ activation: 'relu' }), norm()).net, true))).toEqual(block)
    expect(skip(run(chain(conv(), relu({ activation: 'tanh' }), norm(), relu()).net, true))).toEqual(block)
    expect(skip(run(chain(layers.depthwiseConv2d({ kernelSize: 3 }), norm(), relu()).net, true))).toEqual(block)
    expect(skip(run(chain(layers.depthwiseConv2d({ kernelSize: 3, activation: 'relu' }), norm()).net, true))).toEqual(block)
    expect(skip(run(chain(layers.separableConv2d({ filters: 5, kernelSize: 3 }), norm()).net, true))).toEqual(['conv', ...block])
    const transposed = chain(layers.conv2dTranspose({ filters: 3, kernelSize: 3, activation: 'relu' }), norm()).net
    expect(skip(run(transposed, true))).toEqual(['convDataGrad', 'channelMoments', 'channelNorm', 'movingAverage'])
    // Nothing can be folded into weights behind an activation.
    expect(skip(run(chain(conv({ activation: 'relu' }), norm()).net, false))).toEqual(['conv', 'channelNorm'])
  })

  test('depthwise and separable layers read their kernels where they lie, in both directions', () => {
    for (const layer of [layers.depthwiseConv2d({ kernelSize: 3 }), layers.separableConv2d({ filters: 5, kernelSize: 3 })]) {
      const { net } = chain(layer)
      const x = random.normal([2, 6, 6, 4])
      const names = opsOf(() => valueAndGrad(() => net.apply(x).sum(), [x, ...net.trainableVariables]))
      expect(names).toContain('convFilterGrad')
      expect(names).not.toContain('copy')
    }
  })

  test('the way back through a residual block adds no gradients by themselves', () => {
    const { net } = residual()
    const x = random.normal([2, 6, 6, 4])
    const names = opsOf(() => valueAndGrad(() => net.apply(x, { training: true }).sum(), [x, ...net.trainableVariables]))
    expect(names.filter((name) => name === 'convDataGrad')).toHaveLength(2)
    expect(names).not.toContain('add')
  })

  test('prediction: the kernel and the bias are normalised, not what comes out', () => {
    const { net } = chain(conv(), layers.batchNormalization(), relu())
    expect(skip(run(net, false))).toEqual(['fill', 'channelNorm', 'channelNorm', 'conv'])
    const normalized = ['fill', 'channelNorm', 'channelNorm', 'conv']
    expect(skip(run(residual().net, false))).toEqual([...normalized, ...normalized])
    const dense = shortcut([layers.dense({ units: 4 }), layers.batchNormalization()], relu()).net
    expect(skip(run(dense, false))).toEqual(['matmul', 'channelNorm'])
  })

  test('prediction: maxima behind a normalisation are taken by the convolution', () => {
    const normalized = ['fill', 'channelNorm', 'channelNorm', 'conv']
    const pooled = chain(conv(), layers.batchNormalization(), relu(), layers.maxPooling2d()).net
    expect(skip(run(pooled, false))).toEqual(normalized)
    expect(skip(run(pooled, true))).toEqual(['conv', 'channelNorm', 'movingAverage', 'maxPool'])
    const depthwise = chain(layers.depthwiseConv2d({ kernelSize: 3 }), layers.batchNormalization(), relu(), layers.maxPooling2d()).net
    expect(skip(run(depthwise, false))).toEqual([...normalized, 'maxPool'])
  })

  test('a convolution adds a residual before its activation', () => {
    for (const training of [false, true]) expect(skip(run(shortcut([conv()], relu()).net, training))).toEqual(['conv'])
    expect(skip(run(shortcut([conv({ activation: 'relu' })], relu()).net, true))).toEqual(['conv', 'add', 'relu'])
  })

  test('a kernel larger than what comes out stays as it is', () => {
    const wide = chain(conv({ kernelSize: 1, strides: 6, filters: 64 }), layers.batchNormalization(), relu()).net
    expect(skip(run(wide, false, 4))).toEqual(['conv', 'channelNorm'])
    expect(skip(run(wide, false, 5))).toEqual(['fill', 'channelNorm', 'channelNorm', 'conv'])
  })

  test('activations are part of products, inside of nested models too', () => {
    const inner = chain(conv(), relu()).net
    expect(skip(run(chain(inner, layers.dense({ units: 3 }), relu({ activation: 'tanh' })).net, true))).toEqual(['conv', 'matmul'])
  })

  test('the way back from a maximum passes the activation before it spreads over the windows', () => {
    const { net } = chain(conv({ activation: 'relu' }), layers.maxPooling2d())
    const x = random.normal([2, 6, 6, 4])
    const names = opsOf(() => valueAndGrad(() => net.apply(x, { training: true }).sum(), net.trainableVariables))
    expect(names.filter((name) => /conv|Pool|Activation/.test(name))).toEqual([
      ...['conv', 'biasActivationGrad', 'maxPoolGrad', 'convFilterGrad']
    ])
  })

  test('the first layer computes no gradient of the data', () => {
    const { net, byLayer } = chain(conv(), relu(), conv(), relu(), conv())
    const x = random.normal([2, 6, 6, 4])
    const loss = (t: Tensor) => net.apply(t, { training: true }).sum()
    const count = (variables: Tensor[]) => {
      const names = opsOf(() => valueAndGrad(() => loss(x), variables))
      return ['conv', 'convFilterGrad', 'convDataGrad', 'biasActivationGrad'].map((name) => names.filter((n) => n === name).length)
    }
    expect(byLayer(x, false).shape).toEqual([2, 6, 6, 4])
    expect(count(net.trainableVariables)).toEqual([3, 3, 2, 2])
    expect(count([x, ...net.trainableVariables])).toEqual([3, 3, 3, 2])
    net.layers[2]!.trainable = false
    net.layers[0]!.trainable = false
    // The last kernel alone: nothing flows through it.
    expect(count(net.trainableVariables)).toEqual([3, 1, 0, 0])
  })

  test('a training step of a compiled model computes none either', async () => {
    const { net } = chain(
      layers.rescaling({ scale: 0.5 }),
      conv(),
      layers.batchNormalization(),
      relu(),
      layers.flatten(),
      layers.dense({ units: 2 })
    )
    net.compile({ optimizer: 'sgd', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
    const [x, y] = [random.normal([4, 6, 6, 4]), tensor([0, 1, 1, 0], [4], { dtype: 'int32' })]
    await net.trainOnBatch(x, y)
    const steps: Promise<unknown>[] = []
    const names = opsOf(() => steps.push(net.trainOnBatch(x, y)))
    await Promise.all(steps)
    expect(names.filter((name) => name === 'convFilterGrad')).toHaveLength(1)
    expect(names).not.toContain('convDataGrad')
  })
})

describe('what is left alone:', () => {
  const own = layers.batchNormalization().constructor as typeof BatchNormalization
  class Doubled extends own {
    override call(x: Tensor, context: CallContext): Tensor {
      return super.call(x, context).mul(2)
    }
  }
  const training = (net: Model) => opsOf(() => net.apply(random.normal([8, 6, 6, 4]), { training: true }))
  const unfused: Record<string, () => Model> = {
    'a layer with a call of its own': () => chain(conv(), new Doubled(), relu()).net,
    'a layer whose call was replaced': () => {
      const norm = layers.batchNormalization()
      const call = norm.call.bind(norm)
      norm.call = (x, context) => call(x, context)
      return chain(conv(), norm, relu()).net
    },
    'a subclass': () => chain(conv(), new (class extends own {})(), relu()).net,
    'a penalty on what is between': () => chain(conv(), layers.batchNormalization({ activityRegularizer: 'l2' }), relu()).net,
    'a penalty on what comes out': () => chain(conv(), layers.batchNormalization(), relu({ activityRegularizer: 'l2' })).net,
    'another dtype': () => chain(conv(), layers.batchNormalization(), relu({ dtype: 'mixed_bfloat16' })).net,
    'another axis': () => chain(conv(), layers.batchNormalization({ axis: 1 }), relu()).net,
    'another reader': () => {
      const x = input({ shape: [6, 6, 4] })
      const norm = layers.batchNormalization().apply(conv().apply(x))
      return model({ inputs: x, outputs: layers.multiply().apply([norm, relu().apply(norm)]) })
    },
    'an output in the middle': () => {
      const x = input({ shape: [6, 6, 4] })
      const norm = layers.batchNormalization().apply(conv().apply(x))
      return model({ inputs: x, outputs: [norm, relu().apply(norm)] }) as unknown as Model
    },
    'a normalisation that is used twice': () => {
      const x = input({ shape: [6, 6, 4] })
      const norm = layers.batchNormalization()
      return model({ inputs: x, outputs: layers.multiply().apply([relu().apply(norm.apply(x)), norm.apply(conv().apply(x))]) })
    }
  }
  test.each(Object.entries(unfused))('%s', (_name, make) => {
    const names = training(make())
    expect(names).toContain('channelNorm')
    expect(names).toContain('relu')
  })

  test('a relu with a slope, a sum that broadcasts, a sum of three', () => {
    expect(training(chain(conv(), layers.batchNormalization(), layers.relu({ negativeSlope: 0.1 })).net)).toContain('leakyRelu')
    const x = input({ shape: [6, 6, 4] })
    const norm = () => layers.batchNormalization().apply(conv().apply(x))
    const small = layers.globalAveragePooling2d({ keepdims: true }).apply(x)
    for (const terms of [
      [norm(), small],
      [norm(), x, x]
    ]) {
      const names = training(model({ inputs: x, outputs: relu().apply(layers.add().apply(terms)) }))
      expect(names).toContain('add')
      expect(names).toContain('relu')
    }
    const same = norm()
    expect(training(model({ inputs: x, outputs: relu().apply(layers.add().apply([same, same])) }))).toContain('add')
  })

  test('a pooling of another kind', async () => {
    class MeanOfAll extends (layers.maxPooling2d().constructor as typeof MaxPooling2d) {
      protected override pool(x: Tensor): Tensor {
        return x.mean([1, 2], { keepdims: true })
      }
    }
    const { net } = chain(conv(), new MeanOfAll())
    expect(net.predictOnBatch(random.normal([2, 6, 6, 4])).shape).toEqual([2, 1, 1, 4])
  })

  test('layers, summary, config and inner outputs', async () => {
    const { net } = residual()
    expect(net.layers.map(({ name }) => name)).toEqual([
      ...['input_layer', 'conv2d', 'batch_normalization', 'activation', 'conv2d_1', 'batch_normalization_1', 'add', 'activation_1']
    ])
    const x = random.normal([2, 6, 6, 4])
    const inner = model({ inputs: net.inputs[0]!, outputs: net.getLayer('batch_normalization_1').output })
    const sum = net.getLayer('add').apply([x, inner.predictOnBatch(x)] as unknown as Tensor)
    const [expected, received] = [await sum.relu().data(), await net.predictOnBatch(x).data()]
    for (const [i, value] of expected.entries()) expect(received[i]).toBeCloseTo(value, 5)
  })
})

describe('what users see is the same:', () => {
  test('weights that change between predictions', async () => {
    const { net, byLayer } = chain(conv(), layers.batchNormalization(), relu())
    const x = random.normal([8, 6, 6, 4])
    for (let i = 0; i < 4; i++) {
      unsettle(net)
      const [received, expected] = [await net.predictOnBatch(x).data(), await byLayer(x, false).data()]
      for (const [k, value] of expected.entries()) expect(received[k]).toBeCloseTo(value, 4)
    }
  })

  test('a replay of a prediction has the bits of an eager call', async () => {
    const { net } = residual({ shortcut: true })
    unsettle(net)
    const x = random.normal([8, 6, 6, 4])
    const eager = await net.apply(x).data()
    for (let i = 0; i < 3; i++) expect(await net.predictOnBatch(x).data()).toEqual(eager)
  })

  test('a replay of a training step has the bits of an eager one', async () => {
    const make = () => {
      setRandomSeed(3)
      return chain(
        conv({ activation: 'relu' }),
        layers.batchNormalization(),
        layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 }),
        layers.batchNormalization(),
        relu(),
        layers.separableConv2d({ filters: 3, kernelSize: 3 }),
        layers.batchNormalization()
      ).net
    }
    const [recorded, eager] = [make(), make()]
    const x = random.normal([8, 6, 6, 4])
    const y = random.normal(recorded.apply(x).shape)
    recorded.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const optimizer = optimizers.sgd()
    for (let i = 0; i < 4; i++) {
      await recorded.trainOnBatch(x, y)
      const variables = eager.trainableVariables
      const { grads } = valueAndGrad(() => losses.meanSquaredError().call(y, eager.apply(x, { training: true })), variables)
      optimizer.apply(grads, variables)
    }
    for (const [i, w] of recorded.weights.entries()) expect(await w.data()).toEqual(await eager.weights[i]!.data())
  })

  test('a cross-entropy starts from what enters the activation at the end', async () => {
    const { net } = chain(layers.flatten(), layers.dense({ units: 1 }), relu({ activation: 'sigmoid' }))
    net.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['accuracy'] })
    for (const w of net.weights) w.assign(w.mul(0).add(-1000))
    const x = random.uniform([4, 6, 6, 4], { minval: 1, maxval: 2 })
    const y = random.uniform([4, 1]).mul(0).add(1)
    // The logarithm of a sigmoid far below zero is no infinity, and not the 16 of a probability that is kept from 0.
    const { loss } = await net.testOnBatch(x, y)
    expect(loss).toBeGreaterThan(1e4)
    expect([...(await net.predictOnBatch(x).data())]).toEqual([0, 0, 0, 0])
  })

  test.each(['relu', 'sigmoid', 'tanh'] as const)('a second derivative through %s', async (activation) => {
    const critic = sequential([layers.dense({ units: 5 }), relu({ activation }), layers.dense({ units: 1 })], {
      batchInputShape: [null, 4]
    })
    const [first, , last] = critic.layers.slice(-3) as Layer[]
    const x = random.normal([3, 4])
    const penalty = (f: () => Tensor) =>
      valueAndGrad(
        () =>
          valueAndGrad(() => f().sum(), [x])
            .grads[0]!.square()
            .sum(),
        [critic.trainableVariables[0]!]
      ).grads[0]!.data()
    const received = await penalty(() => critic.apply(x, { training: true }))
    const expected = await penalty(() => last!.apply(ops[activation](first!.apply(x))))
    for (const [i, value] of expected.entries()) expect(received[i]).toBeCloseTo(value, 5)
    expect(Math.max(...Array.from(expected, Math.abs))).toBeGreaterThan(0)
  })

  test('a convolution with pooling in a model that is drawn under a tape', () => {
    const backbone = sequential([conv(), layers.maxPooling2d()], { batchInputShape: [null, 6, 6, 4] })
    const net = sequential([layers.rescaling({ scale: 1 }), backbone, layers.flatten(), layers.dense({ units: 1 })])
    const { grads } = valueAndGrad(() => net.apply(random.normal([2, 6, 6, 4])).sum(), backbone.trainableVariables)
    expect(grads.map(({ shape }) => shape)).toEqual(backbone.trainableVariables.map(({ shape }) => shape))
  })

  test('errors name the layer', () => {
    const free = sequential([conv(), layers.maxPooling2d({ poolSize: 4, name: 'pool' })], { batchInputShape: [null, null, null, 4] })
    expect(() => free.apply(random.normal([1, 3, 6, 4]))).toThrow('(layer "pool")')
    const { net } = residual()
    const [a, b] = [input({ shape: [6, 6, 4] }), input({ shape: [6, 6, 4] })]
    const sum = layers.add({ name: 'sum' }).apply([a, layers.batchNormalization().apply(b)])
    const two = model({ inputs: [a, b], outputs: relu().apply(sum) })
    const message = '[add "sum"] expected inputs of one batch size, received [2, 6, 6, 4], [3, 6, 6, 4]'
    expect(() => two.apply([random.normal([2, 6, 6, 4]), random.normal([3, 6, 6, 4])])).toThrow(new ShapeError(message))
    expect(() => net.apply(random.normal([0, 6, 6, 4]), { training: true })).toThrow(
      '[batchNormTraining] expected a batch that is not empty, received [0, 6, 6, 4] (layer "batch_normalization")'
    )
    net.getLayer('add').dispose()
    expect(() => net.apply(random.normal([1, 6, 6, 4]))).toThrow(DisposedError)
    expect(() => net.apply(random.normal([1, 6, 6, 4]))).toThrow('expected a live layer, received add that has been disposed')
  })

  test('a learning model: fit, evaluate and predict agree with layers one by one', async () => {
    const { net, byLayer } = residual()
    net.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })
    const [x, y] = [random.normal([12, 6, 6, 4]), random.uniform([12, 6, 6, 4])]
    const { history } = await net.fit(x, y, { epochs: 6, batchSize: 4, verbose: 0 })
    expect(history.loss!.at(-1)).toBeLessThan(history.loss![0]!)
    const { loss } = await net.evaluate(x, y, { batchSize: 4 })
    expect(loss).toBeCloseTo(await byLayer(x, false).sub(y).square().mean().item(), 5)
    const variables: Variable[] = net.trainableVariables
    expect(variables.map(({ name }) => name)).toEqual(['kernel', 'bias', 'gamma', 'beta', 'kernel', 'gamma', 'beta'])
  })
})
