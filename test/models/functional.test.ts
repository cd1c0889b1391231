// Models drawn layer by layer: shared layers, several inputs and outputs, inner outputs, saving; and what is refused.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AnyModel,
  capture,
  input,
  Layer,
  layers,
  loadModel,
  memory,
  model,
  random,
  type SymbolicTensor,
  sequential,
  setPrecision,
  setRandomSeed,
  type Tensor,
  tensor,
  valueAndGrad,
  zeros
} from '../../lib'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))
beforeAll(() => setPrecision('highest'))

const merge = (fn: (a: Tensor, b: Tensor) => Tensor, name?: string) =>
  layers.lambda({ function: ([a, b]: readonly [Tensor, Tensor]) => fn(a, b), name })
const close = (received: number, expected: number) => expect(received).toBeCloseTo(expected, 5)

/** Two inputs through one tower, a record of outputs. */
function siamese() {
  const tower = sequential([layers.dense({ units: 4, activation: 'tanh', inputShape: [3] })], { name: 'tower' })
  const [left, right] = [input({ shape: [3], name: 'left' }), input({ shape: [3], name: 'right' })]
  const [l, r] = [tower.apply(left), tower.apply(right)]
  const same = layers.dense({ units: 1, activation: 'sigmoid', name: 'classify' }).apply(merge((a, b) => a.mul(b)).apply([l, r]))
  const distance = layers.dense({ units: 2 }).apply(merge((a, b) => a.sub(b)).apply([l, r]))
  return model({ inputs: [left, right], outputs: { same, distance }, name: 'siamese' })
}

class Halves extends Layer<Tensor[]> {
  override call(x: Tensor): Tensor[] {
    return x.split(2, -1)
  }
}

onEveryDevice(() => {
  test('one input, one output, a residual connection: as the layers one by one', async () => {
    const [first, second] = [layers.dense({ units: 3, activation: 'relu' }), layers.dense({ units: 2 })]
    const x = input({ shape: [3] })
    const net = model({ inputs: x, outputs: second.apply(merge((a, b) => a.add(b)).apply([x, first.apply(x)])) })
    expect([net.built, net.inputShapes, net.outputShapes]).toEqual([true, [[null, 3]], [[null, 2]]])
    expect(net.layers.map(({ name }) => name)).toEqual(['input_layer', 'dense', 'lambda', 'dense_1'])
    const value = tensor([
      [1, -2, 3],
      [4, 5, -6]
    ])
    const expected = second.apply(value.add(first.apply(value)))
    const predicted: Tensor = await net.predict(value)
    expect(await predicted.data()).toEqual(await expected.data())
    expect(await net.apply(value).data()).toEqual(await expected.data())
    const captured = capture((t: Tensor) => net.apply(t))
    for (let i = 0; i < 3; i++) expect(await captured(value).data()).toEqual(await expected.data())
    captured.dispose()
  })

  test('values are freed when no layer needs them any more, and what is not the model’s own stays', async () => {
    const constant = tensor([[1, 2, 3]])
    const x = input({ shape: [3] })
    const kept = layers.lambda({ function: () => constant }).apply(x)
    const same = layers.identity().apply(layers.flatten().apply(x))
    const net = model({
      inputs: x,
      outputs: merge((a, b) => a.add(b)).apply([kept, layers.activation({ activation: 'relu' }).apply(same)])
    })
    await collected()
    const { tensors } = memory()
    const value = tensor([[1, -1, 1]])
    const y = net.apply(value)
    expect(await y.array()).toEqual([[2, 2, 4]])
    const { value: loss, grads } = valueAndGrad(() => net.apply(value).square().sum(), [value])
    expect(await grads[0]!.array()).toEqual([[4, 0, 8]])
    expect([...(await value.data()), ...(await constant.data())]).toEqual([1, -1, 1, 1, 2, 3])
    for (const t of [y, value, loss, ...grads]) t.dispose()
    expect(memory().tensors).toBe(tensors)
  })

  test('predict gives what outputs was', async () => {
    const x = input({ shape: [2] })
    const [a, b] = [layers.dense({ units: 1 }).apply(x), layers.dense({ units: 3 }).apply(x)]
    const data = zeros([40, 2])
    const [first, second]: [Tensor, Tensor] = await model({ inputs: x, outputs: [a, b] }).predict(data)
    expect([first.shape, second.shape]).toEqual([
      [40, 1],
      [40, 3]
    ])
    const { p, q }: { p: Tensor; q: Tensor } = await model({ inputs: [x], outputs: { p: a, q: b } }).predict(data, { batchSize: 7 })
    expect([p.shape, q.shape]).toEqual([first.shape, second.shape])
    expect(await q.data()).toEqual(await second.data())
    const twice = await model({ inputs: x, outputs: [a, a, x] }).predict(data)
    twice[0].dispose()
    expect([twice[1].disposed, data.disposed, twice[2].disposed]).toEqual([false, false, false])
  })

  test('a layer that is used twice has its weights once, and its gradient is the sum', async () => {
    const net = siamese()
    expect(net.weights.length).toBe(6)
    expect(net.countParams()).toBe(3 * 4 + 4 + 4 + 1 + 4 * 2 + 2)
    const shared = layers.dense({ units: 1, useBias: false, kernelInitializer: 'ones', kernelRegularizer: 'l2' })
    const x = input({ shape: [1] })
    const twice = model({ inputs: x, outputs: shared.apply(shared.apply(x)) })
    const outer = model({ inputs: x, outputs: merge((a, b) => a.add(b)).apply([twice.apply(x), shared.apply(x)]) })
    expect([twice.weights.length, outer.weights.length, outer.losses.length]).toEqual([1, 1, 1])
    const { grads } = valueAndGrad(() => outer.apply(tensor([[3]])).sum(), outer.trainableVariables)
    expect(await grads[0]!.array()).toEqual([[3 * 2 + 3]])
  })

  test('losses, weights and metrics by output; data in arrays, records and batches', async () => {
    setRandomSeed(5)
    const net = siamese()
    const start = net.getWeights()
    const [left, right] = [random.normal([20, 3]), random.normal([20, 3])]
    const [same, distance] = [random.bernoulli([20, 1]), random.normal([20, 2])]
    const options = { batchSize: 5, shuffle: false, verbose: 0 } as const
    const histories: unknown[] = []
    const batches = function* () {
      for (let i = 0; i < 20; i += 5) {
        const part = (t: Tensor) => t.slice([i, 0], [5, t.shape[1]!])
        yield { x: { right: part(right), left: part(left) }, y: [part(same), part(distance)] }
      }
    }
    for (const [loss, lossWeights, metrics] of [
      [{ same: 'binaryCrossentropy', distance: 'mae' }, { distance: 0.5 }, { same: 'accuracy', distance: ['mse'] }],
      [
        ['bce', 'mae'],
        [1, 0.5],
        [['accuracy'], 'mse']
      ]
    ] as const) {
      net.setWeights(start)
      net.compile({ optimizer: 'sgd', loss, lossWeights, metrics })
      const byRecord = await net.fit(
        { left, right },
        { distance, same },
        {
          ...options,
          epochs: 2,
          validationBatchSize: 20,
          validationData: [
            [left, right],
            [same, distance]
          ]
        }
      )
      histories.push(byRecord.history)
      net.setWeights(start)
      net.compile({ optimizer: 'sgd', loss, lossWeights, metrics })
      const byBatches = await net.fit(batches, { verbose: 0, epochs: 2, validationData: { x: { left, right }, y: { same, distance } } })
      histories.push(byBatches.history)
    }
    const keys = ['loss', 'same_loss', 'distance_loss', 'same_accuracy', 'distance_mse']
    expect(Object.keys(histories[0] as object)).toEqual([...keys, ...keys.map((key) => `val_${key}`)])
    for (const history of histories) expect(history).toEqual(histories[0])

    const logs = await net.evaluate([left, right], [same, distance], { batchSize: 20 })
    const out = net.predictOnBatch({ left, right })
    const mae = await out.distance.sub(distance).abs().mean().item()
    const p = out.same
    const bce = -(await same
      .mul(p.log())
      .add(same.mul(-1).add(1).mul(p.mul(-1).add(1).log()))
      .mean()
      .item())
    close(logs.distance_loss!, mae)
    close(logs.same_loss!, bce)
    close(logs.loss!, bce + 0.5 * mae)
    expect(await net.testOnBatch({ left, right }, { same, distance })).toEqual(logs)
    const trained = await net.trainOnBatch([left, right], { same, distance })
    close(trained.loss!, logs.loss!)
  })

  test('sample weights for all outputs or for each; an output without loss needs no targets', async () => {
    const x = input({ shape: [1] })
    const ones = { kernelInitializer: 'ones', useBias: false, units: 1 } as const
    const [a, b] = [layers.dense({ ...ones, name: 'a' }).apply(x), layers.dense({ ...ones, name: 'b' }).apply(x)]
    const net = model({ inputs: x, outputs: [a, b] })
    net.compile({ optimizer: 'sgd', loss: 'mse' })
    const [values, zero] = [tensor([[1], [2]]), zeros([2, 1])]
    const loss = async (sampleWeight: Parameters<typeof net.testOnBatch>[2]) => {
      const { loss, a_loss, b_loss } = await net.testOnBatch(values, [zero, zero], sampleWeight)
      return [loss, a_loss, b_loss]
    }
    expect(await loss({})).toEqual([5, 2.5, 2.5])
    expect(await loss({ sampleWeight: [2, 0] })).toEqual([2, 1, 1])
    expect(await loss({ sampleWeight: [tensor([2, 0]), tensor([0, 1])] })).toEqual([3, 1, 2])
    expect(await loss({ sampleWeight: { b: [0, 1], a: [2, 0] } })).toEqual([3, 1, 2])
    await expect(net.trainOnBatch(values, [zero, zero], { classWeight: { 0: 1 } })).rejects.toThrow(/one target, received 2/)
    net.compile({ optimizer: 'sgd', loss: { b: 'mse' } })
    expect(await net.testOnBatch(values, { b: zero })).toEqual({ loss: 2.5, b_loss: 2.5 })
  })

  test('an output that another layer uses too is not taken before its softmax', async () => {
    const x = input({ shape: [3] })
    const soft = layers.softmax({ name: 'soft' }).apply(x)
    const used = model({ inputs: x, outputs: [soft, merge((a, b) => a.add(b)).apply([soft, x])] })
    const alone = model({ inputs: x, outputs: soft })
    const [value, y] = [tensor([[1, 2, 3]]), tensor([1], undefined, { dtype: 'int32' })]
    used.compile({ loss: ['sparseCategoricalCrossentropy', null] })
    alone.compile({ loss: 'sparseCategoricalCrossentropy' })
    close((await used.testOnBatch(value, [y])).loss!, (await alone.testOnBatch(value, y)).loss!)
    expect(await (await used.predict(value))[1].array()).toEqual(await (await alone.predict(value)).add(value).array())
  })

  test('a model on inner outputs shares the layers; one may begin in the middle of another', async () => {
    const net = sequential([
      layers.dense({ units: 4, activation: 'relu', inputShape: [3], name: 'code' }),
      layers.dense({ units: 2, name: 'head' })
    ])
    const features = model({ inputs: net.inputs, outputs: net.getLayer('code').output })
    const rest = model({ inputs: net.getLayer('code').output, outputs: net.outputs[0]! })
    const x = random.normal([5, 3])
    const code = await features.predict(x)
    expect(code.shape).toEqual([5, 4])
    expect(await (await rest.predict(code)).data()).toEqual(await (await net.predict(x)).data())
    expect(features.weights).toEqual(net.getLayer('code').weights)
    const classifier = sequential([features, layers.dense({ units: 1 })])
    features.trainable = false
    expect(classifier.trainableVariables.length).toBe(2)
  })

  test('a layer of several outputs; inputs of another dtype', async () => {
    const x = input({ shape: [4], dtype: 'int32', name: 'tokens' })
    const [low, high] = new Halves().apply(x) as unknown as [SymbolicTensor, SymbolicTensor]
    expect([low.shape, low.dtype]).toEqual([[null, 2], 'int32'])
    const net = model({ inputs: x, outputs: merge((a, b) => a.sub(b)).apply([high, low]) })
    const y = await net.predict([[1, 2, 5, 7]])
    expect([y.dtype, await y.array()]).toEqual(['int32', [[4, 5]]])
  })

  test('an input that no output depends on takes data as the others, as in Keras', async () => {
    const [x, unused] = [input({ shape: [2], name: 'x' }), input({ shape: [3], name: 'unused' })]
    const y = layers.dense({ units: 1, kernelInitializer: 'ones' }).apply(x)
    using net = model({ inputs: { x, unused }, outputs: y })
    net.compile({ loss: 'mse', optimizer: 'sgd' })
    const data = { x: tensor([[1, 2]]), unused: zeros([1, 3]) }
    expect(await (await net.predict(data)).array()).toEqual([[3]])
    expect((await net.fit(data, zeros([1, 1]), { verbose: 0 })).history.loss).toEqual([9])
    await expect(net.predict({ x: data.x })).rejects.toThrow(/without "unused"/)
    await expect(net.predict({ x: data.x, unused: zeros([1, 4]) })).rejects.toThrow(/input "unused" to be \[null, 3\], received \[1, 4\]/)
    const [inner, outer] = [layers.dense({ units: 1, name: 'inner' }), layers.dense({ units: 1, name: 'outer' })]
    const between = inner.apply(x)
    expect(() => model({ inputs: between, outputs: outer.apply(layers.add().apply([between, y])) })).toThrow(/disconnected.*"x"/)
  })

  test('the summary says what is connected to what', () => {
    const lines: string[] = []
    siamese().summary({ printFn: (line) => lines.push(line) })
    expect(lines.slice(0, 18).join('\n')).toBe(`Model: "siamese"
┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━━━┓
┃ Layer (type)       ┃ Output shape ┃ Params ┃ Connected to   ┃
┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━┩
│ left (InputLayer)  │ [null, 3]    │      0 │ -              │
├────────────────────┼──────────────┼────────┼────────────────┤
│ right (InputLayer) │ [null, 3]    │      0 │ -              │
├────────────────────┼──────────────┼────────┼────────────────┤
│ tower (Sequential) │ [null, 4]    │     16 │ left[0][0]     │
│                    │              │        │ right[0][0]    │
├────────────────────┼──────────────┼────────┼────────────────┤
│ lambda (Lambda)    │ [null, 4]    │      0 │ tower[0][0]    │
│                    │              │        │ tower[1][0]    │
├────────────────────┼──────────────┼────────┼────────────────┤
│ classify (Dense)   │ [null, 1]    │      5 │ lambda[0][0]   │
├────────────────────┼──────────────┼────────┼────────────────┤
│ lambda_1 (Lambda)  │ [null, 4]    │      0 │ tower[0][0]    │
│                    │              │        │ tower[1][0]    │`)
  })

  test('graphs are saved and loaded, with shared layers, nested models and the state of training', async () => {
    const product = ([a, b]: readonly [Tensor, Tensor]) => a.mul(b)
    const shared = layers.dense({ units: 3, activation: 'tanh', name: 'shared' })
    const inner = (() => {
      const t = input({ shape: [3] })
      return model({
        inputs: t,
        outputs: { twice: shared.apply(shared.apply(t)), once: layers.dropout({ rate: 0.5 }).apply(t) },
        name: 'inner'
      })
    })()
    const x = input({ shape: [3], name: 'x' })
    const { twice, once } = inner.apply(x)
    const both = layers.lambda({ function: product }).apply([twice, shared.apply(once)])
    const net = model({
      inputs: { x },
      outputs: [layers.dense({ units: 1, name: 'a' }).apply(both), layers.dense({ units: 2, name: 'b' }).apply(both)]
    })
    net.compile({ optimizer: 'adam', loss: { a: 'mse' }, lossWeights: { a: 2 }, metrics: { b: ['mae'] } })
    const data = { x: random.normal([12, 3]) }
    const targets = { a: random.normal([12, 1]), b: random.normal([12, 2]) }
    await net.fit(data, targets, { verbose: 0, batchSize: 4 })
    const file = join(folder, 'graph.safetensors')
    await net.save(file)
    const header = readFileSync(file).toString('latin1')
    for (const name of ['"inner/shared/kernel"', '"a/bias"']) expect(header).toContain(name)
    await expect(loadModel(file)).rejects.toThrow(/product.*customObjects/)
    const again = await loadModel<[Tensor, Tensor]>(file, { customObjects: { product } })
    expect(again.weights.length).toBe(net.weights.length)
    expect(again.layers.map(({ name }) => name)).toEqual(net.layers.map(({ name }) => name))
    const predicted = await again.predict(data)
    for (const [i, t] of (await net.predict(data)).entries()) expect(await predicted[i]!.data()).toEqual(await t.data())
    const [first, second] = [
      await net.fit(data, targets, { verbose: 0, epochs: 2 }),
      await again.fit(data, targets, { verbose: 0, epochs: 2 })
    ]
    expect(second.history).toEqual(first.history)
    expect(Object.keys(second.history)).toEqual(['loss', 'a_loss', 'b_mae'])
  })
})

const file = join(folder, 'chain.safetensors')
/** Saves a small graph with its architecture changed. */
async function saveChanged(change: (config: { nodes: { layer: string; inputs: unknown }[] }) => unknown): Promise<string> {
  const x = input({ shape: [2], name: 'x' })
  const y = layers.dense({ units: 2, name: 'second' }).apply(layers.dense({ units: 2, name: 'first' }).apply(x))
  await model({ inputs: x, outputs: y }).save(file)
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
  const architecture = JSON.parse(header.__metadata__.model)
  change(architecture.config)
  header.__metadata__.model = JSON.stringify(architecture)
  const json = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(BigInt(json.length))
  writeFileSync(file, Buffer.concat([start, json, bytes.subarray(8 + length)]))
  return file
}

test('files whose graph cannot be', async () => {
  const refused = async (change: Parameters<typeof saveChanged>[0], message: RegExp) =>
    expect(loadModel(await saveChanged(change))).rejects.toMatchObject({ name: 'FormatError', message: expect.stringMatching(message) })
  await refused(
    ({ nodes }) => nodes.splice(0, 1, { layer: 'first', inputs: 'second[0][0]' }),
    /layer "first" takes "second\[0\]\[0\]".*cycle/
  )
  await refused(({ nodes }) => nodes.splice(0, 1, { layer: 'third', inputs: 'x[0][0]' }), /uses the layer "third", which it does not have/)
  await refused(({ nodes }) => nodes.splice(1, 1, { layer: 'second', inputs: { a: 1 } }), /takes 1/)
})

test('mistakes get an error that names the layer', async () => {
  const x = input({ shape: [3], name: 'x' })
  const other = input({ shape: [3], name: 'other' })
  const dense = (name: string, units = 2) => layers.dense({ units, name })
  const y = dense('y').apply(x)
  const refused = (run: () => unknown, name: string, message: RegExp) =>
    expect(run).toThrow(expect.objectContaining({ name, message: expect.stringMatching(message) }))
  refused(() => model({ inputs: other, outputs: y }), 'ArgumentError', /inputs "other" alone.*"y".*disconnected.*"x"/)
  refused(() => merge((a, b) => a.add(b), 'sum').apply([y, x]), 'ShapeError', /add.*\[null, 2\].*\[null, 3\].*layer "sum"/)
  refused(() => model({ inputs: x, outputs: dense('y').apply(y) }), 'ArgumentError', /two of the name "y"/)
  refused(() => model({ inputs: [x, x], outputs: y }), 'ArgumentError', /"x" twice/)
  refused(() => model({ inputs: x, outputs: [] }), 'ArgumentError', /outputs.*received none/)
  refused(() => model({ inputs: x, outputs: [zeros([2])] as unknown as SymbolicTensor[] }), 'ArgumentError', /outputs.*Tensor/)
  // biome-ignore lint/suspicious/noExplicitAny: what a caller without types may pass
  const untyped: (options?: any) => unknown = model
  for (const outputs of [[y, undefined], { y: undefined }]) {
    const message = /^\[model\] expected outputs to be what .* give, received undefined$/
    refused(() => untyped({ inputs: x, outputs }), 'ArgumentError', message)
  }
  refused(() => untyped({ inputs: x }), 'ArgumentError', /^\[model\] expected the option outputs, received undefined$/)
  refused(() => untyped({ inputs: x, output: y }), 'ArgumentError', /^\[model\] unknown option 'output': did you mean 'outputs'\?$/)
  refused(() => untyped(), 'ArgumentError', /^\[model\] expected the options inputs and outputs, received undefined$/)
  refused(() => dense('mixed').apply([x, zeros([1, 3])] as unknown as Tensor), 'ArgumentError', /mixed.*symbolic.*at 1/)
  refused(() => zeros([2, 3]).add(y as unknown as Tensor), 'ArgumentError', /symbolic \[null, 2\] of y.*layers\.lambda/)
  const again = dense('again', 3)
  again.apply(again.apply(x))
  refused(() => again.output, 'ArgumentError', /again.*received 2 uses/)
  refused(() => dense('unused').output, 'ArgumentError', /unused.*received 0 uses/)
  const chain = sequential([dense('first')], { name: 'chain' })
  refused(() => chain.outputs, 'ArgumentError', /chain.*inputShape/)
  refused(() => chain.add(chain), 'ArgumentError', /cycle.*"chain"/)
  refused(() => chain.add(sequential([chain], { name: 'around' }) as Layer), 'ArgumentError', /cycle.*"around"/)

  const net: AnyModel = siamese()
  refused(
    () => net.compile({ loss: { same: 'bce', distanec: 'mse' } }),
    'ArgumentError',
    /loss by the names.*"same", "distance".*"distanec"/
  )
  refused(() => net.compile({ loss: ['bce'] }), 'ArgumentError', /loss for 2 outputs.*received 1/)
  refused(() => net.compile({ loss: 'mse', metrics: { a: 'mae' } }), 'ArgumentError', /metrics.*"a"/)
  refused(() => net.compile({ loss: 'mse', lossWeights: [1, Number.NaN] }), 'ArgumentError', /distance.*NaN/)
  net.compile({ loss: 'mse' })
  const [a, b] = [zeros([2, 3]), zeros([2, 3])]
  const rejected = (run: Promise<unknown>, message: RegExp) =>
    expect(run).rejects.toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(message) })
  await rejected(net.predict({ left: a, rihgt: b }), /x as a record of "left", "right", received one without "right" and with "rihgt"/)
  await rejected(net.predict(a), /2 tensors or arrays \(left, right\)/)
  await rejected(
    net.fit([a, b], { same: zeros([2, 1]) }, { verbose: 0 }),
    /y as a record of "same", "distance", received one without "distance"/
  )
  refused(() => net.apply([a]), 'ArgumentError', /2 inputs \(left, right\), received 1/)
  refused(() => net.apply([zeros([2, 4]), b]), 'ShapeError', /"siamese".*input "left".*\[null, 3\].*\[2, 4\]/)
  refused(() => net.apply({ left: a, right: zeros([2, 3, 1]) }), 'ShapeError', /"siamese".*input "right".*\[null, 3\].*\[2, 3, 1\]/)
  refused(() => net.apply([input({ shape: [3] }), input({ shape: [5] })]), 'ShapeError', /"right".*\[null, 3\].*\[null, 5\]/)
})
