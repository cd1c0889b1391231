// The base layer: names, building, weights, own layers, layers in layers, losses, errors that name the layer, ownership.
import {
  ArgumentError,
  capture,
  DisposedError,
  initializers,
  input,
  Layer,
  type LayerOptions,
  layers,
  memory,
  NeuriteError,
  optimizers,
  type PartialShape,
  regularizers,
  ShapeError,
  scope,
  sequential,
  setPolicy,
  setRandomSeed,
  type Tensor,
  tensor,
  type Variable,
  valueAndGrad,
  variable,
  zeros
} from '../../lib'
import { namedWeights } from '../../lib/io/tensors'
import { withCustomObjects } from '../../lib/serialization'
import { collected } from '../support/collected'

class Scale extends Layer {
  gain!: Variable
  constructor(readonly options: LayerOptions & { start: number }) {
    super(options)
  }
  override build(shape: PartialShape): void {
    this.gain = this.addWeight({ name: 'gain', shape: [shape.at(-1)!], initializer: initializers.constant(this.options.start) })
  }
  override call(x: Tensor): Tensor {
    return x.mul(this.gain)
  }
  override getConfig() {
    return { ...super.getConfig(), start: this.options.start }
  }
}

/** Two layers in one, with a loss of its own. */
class Block extends Layer {
  readonly first = layers.dense({ units: 3, kernelRegularizer: regularizers.l2(0.5), kernelInitializer: 'ones' })
  readonly rest = [new Scale({ start: 2 }), layers.dropout({ rate: 0.5 })]
  override call(x: Tensor): Tensor {
    const y = this.first.apply(x)
    this.addLoss(y.sum().mul(0.1))
    return this.rest[0]!.apply(y)
  }
}

beforeEach(collected)

test('names by default count per class, as in Keras; a model gives them its own', () => {
  const made = [layers.leakyRelu(), layers.leakyRelu(), new Scale({ start: 1 })]
  const [first, second, own] = made.map(({ name }) => name)
  expect(first).toMatch(/^leaky_re_lu(_\d+)?$/)
  expect(second).not.toBe(first)
  expect(own).toMatch(/^scale(_\d+)?$/)
  const taken = new Set<string>()
  for (const layer of [...made, layers.leakyRelu({ name: 'mine' })]) {
    layer.nameWithin(taken)
    taken.add(layer.name)
  }
  expect([...taken]).toEqual(['leaky_re_lu', 'leaky_re_lu_1', 'scale', 'mine'])
})

test('a layer is built once, by its first input or by build', () => {
  const layer = new Scale({ start: 2 })
  expect([layer.built, layer.weights.length]).toEqual([false, 0])
  layer.build([null, 3])
  const [gain] = layer.weights
  layer.build([null, 3])
  layer.apply(zeros([2, 3]))
  expect([layer.built, layer.weights]).toEqual([true, [gain]])
  expect([gain!.name, gain!.shape, layer.countParams()]).toEqual(['gain', [3], 3])
})

test('a build that fails leaves no weights, and may succeed later', () => {
  let fail = true
  class Failing extends Layer {
    override build(): void {
      this.addWeight({ name: 'w', shape: [4] })
      if (fail) throw new RangeError('mine')
    }
    override call(x: Tensor): Tensor {
      return x
    }
  }
  const layer = new Failing()
  const x = zeros([1, 4])
  const before = memory().tensors
  for (let i = 0; i < 2; i++) expect(() => layer.apply(x)).toThrow('mine')
  expect([layer.built, layer.weights, memory().tensors]).toEqual([false, [], before])
  fail = false
  layer.apply(x)
  expect([layer.built, layer.weights.length]).toEqual([true, 1])
})

test('what an initializer gives must be what it was asked for', () => {
  const bad: [() => unknown, string][] = [
    [() => zeros([2, 4]), 'float32 [2, 4]'],
    [() => zeros([4, 2], { dtype: 'bfloat16' }), 'bfloat16 [4, 2]'],
    [() => 3, '3']
  ]
  for (const [kernelInitializer, received] of bad) {
    const layer = layers.dense({ units: 2, name: 'd', kernelInitializer: kernelInitializer as () => Tensor })
    const build = () => layer.build([null, 4])
    expect(build).toThrow(ShapeError)
    expect(build).toThrow(`[dense "d"] expected the initializer of kernel to give float32 [4, 2], received ${received}`)
  }
})

test('a call that gives no tensor is refused, drawn or run', () => {
  class Nothing extends Layer {
    override call(): Tensor {
      return undefined as never
    }
  }
  class Later extends Layer {
    override call(x: Tensor): Tensor {
      return Promise.resolve(x) as never
    }
  }
  class Losing extends Layer {
    override call(x: Tensor): Tensor {
      this.addLoss(3 as never)
      return x
    }
  }
  const returned = 'expected call to return a tensor, received'
  const bad: [Layer, string][] = [
    [new Nothing({ name: 'a' }), `[nothing "a"] ${returned} undefined`],
    [new Later({ name: 'a' }), `[later "a"] ${returned} Promise`],
    [new Losing({ name: 'a' }), '[losing "a"] expected addLoss to get a scalar tensor, received 3'],
    [layers.lambda({ function: () => 3 as never, name: 'a' }), `[lambda "a"] ${returned} 3`],
    [layers.lambda({ function: (x) => [x, null] as never, name: 'a' }), `[lambda "a"] ${returned} null`],
    [layers.activation({ activation: () => undefined as never, name: 'a' }), `[activation "a"] ${returned} undefined`],
    [layers.dense({ units: 1, activation: () => undefined as never, name: 'a' }), `[dense "a"] ${returned} undefined`]
  ]
  for (const [layer, message] of bad) {
    expect(() => layer.apply(input({ shape: [2] }))).toThrow(message)
    expect(() => layer.apply(zeros([1, 2]))).toThrow(message)
    expect(() => layer.apply(zeros([1, 2]))).toThrow(ArgumentError)
  }
  class Uncallable extends (Layer as unknown as new () => object) {}
  expect(() => new Uncallable()).toThrow('[uncallable] expected a class that defines call, received Uncallable')
})

test('weights are copied out and in', async () => {
  const layer = layers.dense({ units: 2 })
  layer.build([null, 1])
  layer.setWeights([[[1, 2]], [3, 4]])
  const copies = layer.getWeights()
  layer.setWeights([zeros([1, 2]), zeros([2])])
  expect(await Promise.all(copies.map((w) => w.array()))).toEqual([[[1, 2]], [3, 4]])
  expect(await layer.bias!.array()).toEqual([0, 0])
  expect(() => layer.setWeights([])).toThrow('expected values for 2 weights, received 0')
  expect(() => layer.setWeights(undefined as never)).toThrow('expected values for 2 weights, received undefined')
  const bad = [zeros([3]), zeros([2], { dtype: 'int32' }), [1, 2, 3], 'a' as never]
  for (const bias of bad) {
    const before = memory().tensors
    expect(() => layer.setWeights([[[5, 6]], bias])).toThrow(NeuriteError)
    expect(memory().tensors).toBe(before)
    expect(await layer.kernel!.array()).toEqual([[0, 0]])
  }
})

test('layers in fields and in lists of a layer belong to it', async () => {
  const block = new Block()
  const x = tensor([[1, 2]])
  expect(await block.apply(x).array()).toEqual([[6, 6, 6]])
  expect(block.sublayers).toEqual([block.first, ...block.rest])
  expect(block.weights.map(({ name }) => name)).toEqual(['kernel', 'bias', 'gain'])
  expect(block.generators.length).toBe(1)
  expect(block.countParams()).toBe(12)
  expect(await Promise.all(block.losses.map((loss) => loss.item()))).toEqual([3, expect.closeTo(0.9, 6)])
  block.apply(x)
  expect(block.losses.length).toBe(2)
  block.trainable = false
  expect([block.trainableVariables, block.nonTrainableVariables.length, block.losses.length]).toEqual([[], 3, 1])
  block.trainable = true
  block.first.trainable = false
  expect(block.trainableVariables.map(({ name }) => name)).toEqual(['gain'])
})

/** Layers and variables in every place where they are found, and variables that are another layer's. */
class Places extends Layer {
  readonly byName = { a: layers.dense({ units: 1, name: 'a' }), deep: [{ b: layers.dense({ units: 1, name: 'b' }) }] }
  readonly map = new Map([['c', layers.dense({ units: 1, name: 'c' })]])
  readonly set = new Set([layers.dense({ units: 1, name: 'd' })])
  readonly again = this.byName.a
  readonly gain = variable([2], { name: 'gain' })
  readonly shifts = [variable([1], { name: 'shift' }), variable([0], { name: 'fixed', trainable: false })]
  own!: Variable
  tied!: Variable
  readonly cycle: unknown[] = []
  constructor(options: LayerOptions = {}) {
    super(options)
    this.cycle.push(this.cycle)
  }
  override build(): void {
    this.own = this.addWeight({ name: 'own', shape: [1] })
    for (const layer of this.sublayers) layer.build([null, 1])
    this.tied = this.byName.a.weights[0]!
  }
  override call(x: Tensor): Tensor {
    const inner = [this.byName.a, this.byName.deep[0]!.b, this.map.get('c')!, ...this.set]
    const y = inner.reduce((sum, layer) => sum.add(layer.apply(x)), x.mul(this.gain))
    return this.shifts.reduce((sum, v) => sum.add(v), y.add(this.own).add(x.mul(this.tied)))
  }
}

test('large tables in fields are looked through once a question, and what is put into them later is found', () => {
  let looks = 0
  const table: unknown[] = Array.from({ length: 1000 }, (_, i) => i)
  const get = (list: unknown[], key: string | symbol): unknown => {
    if (key === '500') looks++
    return Reflect.get(list, key)
  }
  class Table extends Layer {
    readonly rows = [new Proxy(table, { get }), [null, undefined, 'x']]
    readonly first = layers.dense({ units: 1, name: 'first' })
    override call(x: Tensor): Tensor {
      return this.sublayers.reduce((y, layer) => layer.apply(y) as Tensor, x)
    }
  }
  const layer = new Table()
  layer.apply(zeros([1, 1]))
  for (const question of ['weights', 'trainableVariables', 'nonTrainableVariables', 'generators', 'sublayers'] as const) {
    looks = 0
    expect(layer[question].length).toBeGreaterThanOrEqual(0)
    expect([question, looks]).toEqual([question, 1])
  }
  table[999] = layers.dense({ units: 2, name: 'late' })
  layer.rows[1]!.push(layers.dense({ units: 3, name: 'later' }))
  expect(layer.sublayers.map(({ name }) => name)).toEqual(['late', 'later', 'first'])
  table[999] = 0
  expect(layer.sublayers.map(({ name }) => name)).toEqual(['later', 'first'])
})

test('layers and variables in fields of every kind belong to a layer, each once', async () => {
  const layer = new Places({ inputShape: [1] })
  const model = sequential([layer])
  expect(layer.sublayers.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
  expect(layer.weights.map(({ name }) => name)).toEqual(['own', 'gain', 'shift', 'fixed', ...Array(4).fill(['kernel', 'bias']).flat()])
  expect(layer.trainableVariables.length).toBe(11)
  layer.map.get('c')!.trainable = false
  expect(layer.trainableVariables.length).toBe(9)
  model.compile({ loss: 'mse', optimizer: 'sgd' })
  const before = await Promise.all(layer.weights.map((w) => w.item()))
  await model.fit(tensor([[1]]), tensor([[9]]), { verbose: 0 })
  const after = await Promise.all(layer.weights.map((w) => w.item()))
  const trained = new Set(layer.trainableVariables)
  expect(layer.weights.map((_, i) => before[i] !== after[i])).toEqual(layer.weights.map((w) => trained.has(w)))
  expect(namedWeights(model).map(([name]) => name)).toEqual([
    ...['own', 'gain', 'shift', 'fixed'].map((name) => `places/${name}`),
    ...['a', 'b', 'c', 'd'].flatMap((name) => [`places/${name}/kernel`, `places/${name}/bias`])
  ])
  model.dispose()
  expect(layer.gain.disposed).toBe(true)
})

test('added losses live in the scope of the step and are gone in the next call', async () => {
  const block = new Block()
  block.build([null, 2])
  const x = tensor([[1, 2]])
  const step = () => {
    const { value, grads } = valueAndGrad(() => {
      const y = block.apply(x)
      return block.losses.reduce((sum, loss) => sum.add(loss), y.sum().mul(0))
    }, block.trainableVariables)
    for (const g of grads) g.dispose()
    return value
  }
  step().dispose()
  await collected()
  const { tensors } = memory()
  for (let i = 0; i < 3; i++) {
    using loss = step()
    expect(await loss.item()).toBeCloseTo(3.9, 5)
  }
  expect(memory().tensors).toBe(tensors)
})

test('a penalty on the output is divided by the batch size', async () => {
  const layer = layers.identity({ activityRegularizer: regularizers.l1(1) })
  layer.apply(
    tensor([
      [1, -2],
      [3, 4]
    ])
  )
  expect(await Promise.all(layer.losses.map((loss) => loss.item()))).toEqual([5])
})

test('integers: layers of floats cast them, own layers get them as they are', async () => {
  const bytes = tensor(new Uint8Array([1, 2]), [1, 2])
  expect(layers.rescaling({ scale: 0.5 }).apply(bytes).dtype).toBe('float32')
  expect(await layers.rescaling({ scale: 0.5 }).apply(bytes).array()).toEqual([[0.5, 1]])
  expect(layers.flatten().apply(bytes).dtype).toBe('uint8')
  expect(layers.lambda({ function: (x: Tensor) => x.cast('int32').add(1) }).apply(bytes).dtype).toBe('int32')
})

test('the policy decides what a layer computes in', () => {
  setPolicy('mixed_bfloat16')
  try {
    const [mixed, last] = [layers.dense({ units: 2 }), layers.dense({ units: 2, dtype: 'float32' })]
    const hidden = mixed.apply(zeros([1, 3]))
    expect([hidden.dtype, last.apply(hidden).dtype]).toEqual(['bfloat16', 'float32'])
    expect([...mixed.weights, ...last.weights].map(({ dtype }) => dtype)).toEqual(['float32', 'float32', 'float32', 'float32'])
    expect(mixed.getConfig().dtype).toBe('mixed_bfloat16')
  } finally {
    setPolicy('float32')
  }
})

test('dropout: active in training only, its mask the same for a seed, new in every step, captured as eager', async () => {
  const x = tensor(new Float32Array(4000).fill(1), [4, 1000])
  const layer = layers.dropout({ rate: 0.25 })
  expect(await layer.apply(x).data()).toEqual(await x.data())
  const kept = await layer.apply(x, { training: true }).data()
  const zero = kept.filter((v) => v === 0).length / kept.length
  expect(Math.abs(zero - 0.25)).toBeLessThan(0.03)
  for (const v of kept) expect(v === 0 || Math.abs(v - 1 / 0.75) < 1e-6).toBe(true)
  expect(await layer.apply(x, { training: true }).data()).not.toEqual(kept)

  const draws = async (run: (layer: ReturnType<typeof layers.dropout>) => (t: Tensor) => Tensor) => {
    setRandomSeed(3)
    const apply = run(layers.dropout({ rate: 0.5 }))
    return [await apply(x).data(), await apply(x).data(), await apply(x).data()]
  }
  const eager = await draws((d) => (t) => d.apply(t, { training: true }))
  const captured = await draws((d) => capture((t: Tensor) => d.apply(t, { training: true })))
  expect(captured).toEqual(eager)
  expect(eager[0]).not.toEqual(eager[1])

  const rows = await layers
    .dropout({ rate: 0.5, noiseShape: [null, 1], seed: 1 })
    .apply(x, { training: true })
    .data()
  for (let i = 0; i < 4; i++) expect(new Set(rows.slice(1000 * i, 1000 * (i + 1))).size).toBe(1)
  expect((await layers.dropout({ rate: 1 }).apply(x, { training: true }).data()).every((v) => v === 0)).toBe(true)

  const { value, grads } = valueAndGrad(() => layer.apply(x, { training: true }).square().sum(), [x])
  const total = (await grads[0]!.mul(x).sum().item()) / 2
  expect(total).toBeCloseTo(await value.item(), 0)
})

test('a graph is drawn without computing', () => {
  const before = memory().tensors
  const x = input({ shape: [null, 4], name: 'sequence' })
  const layer = layers.dense({ units: 3, name: 'head' })
  const y = layer.apply(x)
  expect([y.shape, y.dtype]).toEqual([[null, null, 3], 'float32'])
  expect(y.node).toMatchObject({ layer, inputs: x, outputs: y })
  expect([layer.input, layer.output]).toEqual([x, y])
  expect(layers.flatten().apply(input({ shape: [28, 28] })).shape).toEqual([null, 784])
  expect(layers.reshape({ targetShape: [-1, 2] }).apply(input({ shape: [4, 3] })).shape).toEqual([null, 6, 2])
  expect(layers.lambda({ function: (t: Tensor) => t.sum(-1, { keepdims: true }) }).apply(x).shape).toEqual([null, null, 1])
  expect(layers.rescaling({ scale: 1 / 255 }).apply(input({ shape: [2], dtype: 'uint8' })).dtype).toBe('float32')
  expect(memory().tensors - before).toBe(layer.weights.length)
})

test('softmax and sigmoid at the end can be left out', async () => {
  const x = tensor([[1, -2]])
  for (const [layer, activation] of [
    [layers.dense({ units: 2, activation: 'softmax' }), 'softmax'],
    [layers.dense({ units: 2, activation: 'sigmoid' }), 'sigmoid'],
    [layers.activation({ activation: 'softmax' }), 'softmax'],
    [layers.softmax(), 'softmax']
  ] as const) {
    expect(layer.logitsActivation).toBe(activation)
    const logits = layer.applyLogits(x)
    const [a, b] = [await layer.apply(x).data(), await logits[activation]().data()]
    a.forEach((v, i) => void expect(v).toBeCloseTo(b[i]!, 6))
  }
  expect(layers.softmax({ axis: 1 }).logitsActivation).toBeUndefined()
  expect(layers.dense({ units: 2, activation: 'relu' }).logitsActivation).toBeUndefined()
})

test('own layers are written by their class and come back from customObjects', async () => {
  const layer = new Scale({ start: 2, name: 'mine', inputShape: [3] })
  expect(layer.batchInputShape).toEqual([null, 3])
  const written = JSON.parse(JSON.stringify(layers.serialize(layer)))
  expect(written.className).toBe('Scale')
  expect(() => layers.deserialize(written)).toThrow(ArgumentError)
  expect(() => layers.deserialize(written)).toThrow(/Scale.*customObjects/)
  const again = withCustomObjects({ Scale }, () => layers.deserialize(written))
  expect(again).toBeInstanceOf(Scale)
  expect(layers.serialize(again)).toEqual(layers.serialize(layer))
  expect(await again.apply(tensor([[1, 2, 3]])).array()).toEqual([[2, 4, 6]])
})

test('errors name the layer and what it expects', () => {
  const head = layers.dense({ units: 3, name: 'head' })
  head.build([null, 8])
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [ShapeError, () => head.apply(zeros([2, 9])), '[dense "head"] expected the last axis to be 8, received [2, 9]'],
    [ShapeError, () => head.apply(input({ shape: [9] })), '[dense "head"] expected the last axis to be 8, received [null, 9]'],
    [
      ShapeError,
      () => layers.dense({ units: 1, name: 'n' }).apply(zeros([3])),
      '[dense "n"] expected an input of rank 2 or more whose last axis is known, received [3]'
    ],
    [ShapeError, () => layers.dense({ units: 1, name: 'n' }).build([null, null]), 'whose last axis is known, received [null, null]'],
    [
      ShapeError,
      () => layers.reshape({ targetShape: [5], name: 'r' }).apply(zeros([2, 4])),
      '[reshape "r"] expected samples that fit targetShape [5], received [2, 4]'
    ],
    [ArgumentError, () => layers.dense({ units: -1 }), '[dense] expected units to be an integer of at least 1, received -1'],
    [
      ArgumentError,
      () => layers.dense({ units: 2, activation: 'rellu' as 'relu' }),
      "[dense] unknown activation 'rellu': did you mean 'relu'?"
    ],
    [ArgumentError, () => layers.dense({ units: 2.5 }), '[dense] expected units to be an integer of at least 1, received 2.5'],
    [ArgumentError, () => layers.dense({ units: 2, use_bias: false } as never), '[dense] expected the option useBias, received use_bias'],
    [ArgumentError, () => layers.dense(3 as never), '[dense] expected one object of options, received 3'],
    [
      ArgumentError,
      () => layers.dropout({ rate: 2 }),
      '[dropout] expected rate to be a finite number of at least 0 and at most 1, received 2'
    ],
    [ArgumentError, () => layers.dropout({ rate: Number.NaN }), 'received NaN'],
    [
      ArgumentError,
      () => layers.reshape({ targetShape: [-1, -1] }),
      '[reshape] expected targetShape to be positive sizes, at most one of them -1, received [-1, -1]'
    ],
    [ArgumentError, () => layers.flatten({ inputShape: [0] }), '[flatten] expected inputShape to be sizes or null, received [0]'],
    [ArgumentError, () => layers.flatten({ name: '' }), '[flatten] expected name to be a string that is not empty, received ""'],
    [
      ArgumentError,
      () => layers.flatten({ dtype: 'bfloat16' as 'float32' }),
      "[flatten] expected dtype to be one of 'float32', 'mixed_bfloat16', received \"bfloat16\""
    ],
    [ArgumentError, () => input({ shape: [-1] }), '[input] expected shape to be sizes or null, received [-1]'],
    [ArgumentError, () => input({ shape: 3 as never }), '[input] expected shape to be sizes or null, received 3'],
    [ArgumentError, () => input({ batchShape: [2, 0] }), '[input] expected batchShape to be sizes or null, received [2, 0]'],
    [ArgumentError, () => layers.activation({} as never), '[activation] expected the option activation, received undefined'],
    [ArgumentError, () => layers.lambda({ function: 3 as never }), '[lambda] expected the option function to be a function, received 3'],
    [
      ArgumentError,
      () => layers.lambda({ function: () => 3 as never, name: 'l' }).apply(zeros([1])),
      '[lambda "l"] expected call to return a tensor, received 3'
    ],
    [ArgumentError, () => head.apply([[1, 2]] as never), '[dense] expected x to be a tensor, received'],
    [ArgumentError, () => head.apply(undefined as never), '[dense] expected x to be a tensor, received undefined'],
    [ArgumentError, () => input({}), '[input] expected shape or batchShape, received neither'],
    [ArgumentError, () => input({ shape: [3], dtype: 'float64' as 'float32' }), '[input] expected dtype to be one of']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})

test('what is disposed is not used, and is gone', async () => {
  const { tensors } = memory()
  const block = new Block()
  const x = zeros([1, 2])
  block.apply(x, { training: true }).dispose()
  block.dispose()
  block.dispose()
  expect(() => block.apply(x)).toThrow(DisposedError)
  x.dispose()
  expect(memory().tensors).toBe(tensors)
})

test('a layer that gives its input gives it under a handle of its own', async () => {
  const x = tensor([1, 2])
  const y = layers.identity().apply(x)
  x.dispose()
  expect(await y.array()).toEqual([1, 2])
})

test("training a layer in a loop of one's own", async () => {
  setRandomSeed(1)
  const layer = layers.dense({ units: 1 })
  using optimizer = optimizers.adam({ learningRate: 0.1 })
  const [x, y] = [tensor([[0], [1], [2], [3]]), tensor([[1], [3], [5], [7]])]
  layer.build(x.shape)
  const step = capture(() =>
    scope(() => {
      const { value, grads } = valueAndGrad(() => layer.apply(x).sub(y).square().mean(), layer.trainableVariables)
      optimizer.apply(grads, layer.trainableVariables)
      return value
    })
  )
  let last = Number.NaN
  for (let i = 0; i < 300; i++) {
    using loss = step()
    if (i === 299) last = await loss.item()
  }
  step.dispose()
  expect(last).toBeLessThan(1e-3)
})
