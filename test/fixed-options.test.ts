// Options that can no longer be set, because weights were made of them or captured steps have them as constants, and the few that can.
import {
  ArgumentError,
  capture,
  constraints,
  Layer,
  layers,
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

function expectFixed(object: object, name: string, kind: string, value: unknown): void {
  const before: unknown = Reflect.get(object, name)
  const set = () => Reflect.set(object, name, 0.25)
  expect(set).toThrow(ArgumentError)
  expect(set).toThrow(`[${kind}] expected ${name} to stay ${value}, received 0.25: make a new one with that option`)
  expect(Reflect.get(object, name)).toEqual(before)
}

test('losses, metrics, penalties, constraints and schedules once a model has them', () => {
  const loss = losses.categoricalCrossentropy({ labelSmoothing: 0.1 })
  const huber = losses.huber({ delta: 2 })
  const accuracy = metrics.binaryAccuracy({ threshold: 0.75 })
  const schedule = schedules.cosineDecay({ initialLearningRate: 0.5, decaySteps: 10 })
  const [penalty, constraint] = [regularizers.l2(0.5), constraints.maxNorm(3)]
  // Before that an option is what it is set to.
  Reflect.set(huber, 'delta', 3)
  const net = sequential([layers.dense({ units: 2, inputShape: [2], kernelRegularizer: penalty, kernelConstraint: constraint })])
  net.compile({ loss, metrics: [accuracy, huber], optimizer: optimizers.sgd({ learningRate: schedule }) })
  expectFixed(loss, 'labelSmoothing', 'categoricalCrossentropy', 0.1)
  expectFixed(loss, 'fromLogits', 'categoricalCrossentropy', false)
  expectFixed(loss, 'reduction', 'categoricalCrossentropy', '"sumOverBatchSize"')
  expectFixed(loss, 'name', 'categoricalCrossentropy', '"categoricalCrossentropy"')
  expectFixed(huber, 'delta', 'huber', 3)
  expectFixed(accuracy, 'threshold', 'binaryAccuracy', 0.75)
  expectFixed(schedule, 'decaySteps', 'cosineDecay', 10)
  expectFixed(penalty, 'l2', 'l2', 0.5)
  expectFixed(constraint, 'maxValue', 'maxNorm', 3)
  expect(losses.serialize(huber)).toMatchObject({ config: { delta: 3 } })
})

test('a loss that a captured function calls', () => {
  const loss = losses.huber()
  Reflect.set(loss, 'delta', 2)
  loss(zeros([1, 1]), zeros([1, 1]))
  Reflect.set(loss, 'delta', 3)
  using step = capture((x: Tensor) => loss(x, x))
  step(zeros([1, 1]))
  expectFixed(loss, 'delta', 'huber', 3)
})

test('layers once they are built', () => {
  const conv = layers.conv2d({ filters: 2, kernelSize: 3, strides: [2, 2] })
  Reflect.set(conv, 'filters', 3)
  expect(conv.apply(zeros([1, 5, 5, 1])).shape).toEqual([1, 2, 2, 3])
  expectFixed(conv, 'filters', 'conv2d', 3)
  expectFixed(conv, 'strides', 'conv2d', '[2, 2]')
  expect(() => Reflect.set(conv, 'kernelRegularizer', regularizers.l2())).toThrow(
    '[conv2d] expected kernelRegularizer to stay as it was given, received L2: make a new one with that option'
  )
  conv.name = 'stem'
  conv.trainable = false
  expect(conv.getConfig()).toMatchObject({ name: 'stem', trainable: false, filters: 3, strides: [2, 2] })
  const drop = layers.dropout({ rate: 0.5 })
  drop.apply(zeros([1]))
  expectFixed(drop, 'rate', 'dropout', 0.5)
})

test('a weight is assigned to, not replaced', async () => {
  const dense = layers.dense({ units: 1, inputShape: [1] })
  dense.apply(zeros([1, 1]))
  const { kernel } = dense
  expect(() => {
    dense.kernel = undefined
  }).toThrow('[dense] expected kernel to stay Variable, received undefined: use kernel.assign(value)')
  kernel!.assign([[2]])
  expect(await dense.kernel!.item()).toBe(2)
})

test("the fields of one's own classes are one's own", () => {
  class Scale extends Layer {
    factor = 2
    override call(x: Tensor): Tensor {
      return x.mul(this.factor)
    }
  }
  const scale = new Scale()
  scale.apply(zeros([1]))
  scale.factor = 3
  class Near extends losses.Huber {
    near = 1
  }
  const near = losses.get(new Near({ delta: 2 })) as Near
  near.near = 2
  expect([scale.factor, near.near]).toEqual([3, 2])
  expectFixed(near, 'delta', 'near', 2)
})

/** What layers must be told, and inputs that not all take. */
const values: Record<string, unknown> = {
  ...Object.fromEntries(
    ['units', 'filters', 'kernelSize', 'outputSize', 'n', 'scale', 'stddev', 'axes', 'height', 'width'].map((key) => [key, 1])
  ),
  targetShape: [-1],
  dims: [1],
  activation: 'relu',
  rate: 0.5,
  layer: layers.dense({ units: 1 }),
  function: (x: Tensor) => x
}

test.each(registry.names.filter((name) => name !== 'inputLayer'))('no option of %s can be set in vain once it is built', (name) => {
  const { optionNames } = registry.named(name) as unknown as typeof Layer
  const needed = Object.keys(optionNames).filter((key) => optionNames[key] === 'required')
  const layer = new (registry.named(name))(Object.fromEntries(needed.map((key) => [key, values[key]]))) as Layer
  const shape = [2, ...[3, 4, 5].slice(0, /3d/.test(name) ? 3 : /1d/.test(name) ? 1 : 2), 32]
  layer.build(layer.kind.match(/^(add|subtract|multiply|average|maximum|minimum|concatenate|dot)$/) ? [shape, shape] : shape)
  const config = layer.getConfig()
  for (const key of Object.keys(optionNames)) {
    if (key === 'name' || key === 'trainable') continue
    expect(() => Reflect.set(layer, key, 'x')).toThrow(`[${layer.kind}] expected ${key} to stay `)
  }
  expect(layer.getConfig()).toEqual(config)
})
