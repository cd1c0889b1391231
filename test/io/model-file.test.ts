// Saving and loading: bit for bit, training that goes on as if nothing had been, and files that are broken or lie.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  callbacks,
  Layer,
  type LayerOptions,
  layers,
  loadModel,
  losses,
  type Model,
  memory,
  metrics,
  optimizers,
  type PartialShape,
  random,
  sequential,
  setRandomSeed,
  type Tensor,
  tensor,
  type Variable
} from '../../lib'
import { SafetensorsFile } from '../../lib/io/safetensors'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const newFile = () => join(folder, `${files++}.safetensors`)

const rows = 50
const x = Float32Array.from({ length: 4 * rows }, (_, i) => Math.sin(i * 1.7))
const y = Uint8Array.from({ length: rows }, (_, i) => i % 3)
const options = { verbose: 0, batchSize: 8 } as const

function make() {
  const model = sequential([
    layers.dense({ units: 6, activation: 'relu', inputShape: [4], kernelRegularizer: 'l2', kernelInitializer: 'heNormal' }),
    layers.dropout({ rate: 0.3 }),
    sequential([layers.dense({ units: 5, activation: 'tanh' })], { name: 'inner' }),
    layers.dense({ units: 3, activation: 'softmax', name: 'head' })
  ])
  model.compile({
    optimizer: optimizers.adam({ learningRate: 0.01, amsgrad: true, clipnorm: 1 }),
    loss: losses.sparseCategoricalCrossentropy(),
    metrics: ['accuracy', metrics.sparseCategoricalAccuracy({ name: 'own' })],
    weightedMetrics: ['acc']
  })
  return model
}

async function bits(model: Model): Promise<unknown[]> {
  const all = [...model.weights, ...model.optimizer.weights, ...model.generators.map(({ state }) => state)]
  return Promise.all(all.map(async (v) => [...(await v.data())]))
}

class Scale extends Layer {
  gain!: Variable
  constructor(readonly options: LayerOptions & { start: number }) {
    super(options)
  }
  override build(shape: PartialShape): void {
    this.gain = this.addWeight({ name: 'gain', shape: [shape.at(-1)!], initializer: 'ones' })
  }
  override call(input: Tensor): Tensor {
    return input.mul(this.gain).add(this.options.start)
  }
  override getConfig() {
    return { ...super.getConfig(), start: this.options.start }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: JSON that tests put out of shape
type Json = any

/** Writes the file again with its header (and data) changed. */
function change(file: string, edit: (header: Record<string, Json>, data: Buffer) => Buffer | undefined): string {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
  const data = edit(header, bytes.subarray(8 + length)) ?? bytes.subarray(8 + length)
  const json = Buffer.from(JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(BigInt(json.length))
  const changed = newFile()
  writeFileSync(changed, Buffer.concat([start, json, data]))
  return changed
}
function changeMetadata(file: string, key: string, edit: (value: Json) => unknown): string {
  return change(file, (header) => {
    const value = header.__metadata__[key]
    const edited = edit(value === undefined ? undefined : JSON.parse(value))
    if (edited === undefined) delete header.__metadata__[key]
    else header.__metadata__[key] = typeof edited === 'string' ? edited : JSON.stringify(edited)
    return undefined
  })
}

onEveryDevice(() => {
  test('a loaded model predicts, evaluates and trains on as the saved one, bit for bit', async () => {
    setRandomSeed(3)
    const model = make()
    await model.fit(x, y, { ...options, epochs: 2 })
    const file = newFile()
    await model.save(file)
    const again = await loadModel(file)
    expect(await bits(again)).toEqual(await bits(model))
    expect([again.name, again.layers.map((l) => l.name)]).toEqual([model.name, model.layers.map((l) => l.name)])
    expect(await (await again.predict(x)).data()).toEqual(await (await model.predict(x)).data())
    expect(await again.evaluate(x, y)).toEqual(await model.evaluate(x, y))
    expect(again.optimizer.getConfig()).toEqual(model.optimizer.getConfig())
    expect(again.optimizer.iterations).toBe(2 * 7)
    const [first, second] = [await model.fit(x, y, { ...options, epochs: 3 }), await again.fit(x, y, { ...options, epochs: 3 })]
    expect(second.history).toEqual(first.history)
    expect(await bits(again)).toEqual(await bits(model))
  })

  test("an optimizer that also has state of other variables: only that of the model's is in its file", async () => {
    const optimizer = optimizers.adam()
    const [first, second] = [0, 1].map(() => {
      const model = sequential([layers.dense({ units: 3, inputShape: [4] })])
      model.compile({ optimizer, loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
      return model
    })
    await first!.fit(x, y, options)
    await second!.fit(x, y, options)
    const file = newFile()
    await second!.save(file)
    const again = await loadModel(file)
    expect(again.optimizer.iterations).toBe(2 * 7)
    const [counter, rate, ...slots] = second!.optimizer.weights
    expect(slots.length).toBe(8)
    const own = [counter!, rate!, ...slots.slice(4)]
    expect(await Promise.all(again.optimizer.weights.map((v) => v.data()))).toEqual(await Promise.all(own.map((v) => v.data())))
    await first!.loadWeights(file)
    expect(await first!.weights[0]!.data()).toEqual(await second!.weights[0]!.data())
  })

  test('names of tensors are those of layers and weights, and the format is the one of Python', async () => {
    const model = make()
    await model.fit(x, y, options)
    const file = newFile()
    await model.save(file)
    const opened = await SafetensorsFile.open(file)
    const names = opened.tensors.map(({ name }) => name)
    const weights = ['dense/kernel', 'dense/bias', 'inner/dense/kernel', 'inner/dense/bias', 'head/kernel', 'head/bias']
    expect(names.filter((name) => !/^(optimizer|random)\//.test(name)).sort()).toEqual([...weights].sort())
    expect(names).toContain('optimizer/0/iteration')
    expect(names.filter((name) => name.startsWith('random/')).length).toBe(1)
    await opened.close()
    const plain = newFile()
    await model.saveWeights(plain)
    const only = await SafetensorsFile.open(plain)
    expect(only.tensors.map(({ name }) => name).sort()).toEqual([...weights].sort())
    await only.close()
  })

  test('weights are loaded by name, from a model file too, and only if all fit', async () => {
    const [model, other] = [make(), make()]
    const [file, whole] = [newFile(), newFile()]
    await model.saveWeights(file)
    await model.save(whole)
    for (const from of [file, whole]) {
      await other.setWeights(make().getWeights())
      await other.loadWeights(from)
      expect(await Promise.all(other.weights.map((w) => w.data()))).toEqual(await Promise.all(model.weights.map((w) => w.data())))
    }
    const larger = sequential([layers.dense({ units: 6, inputShape: [4] }), layers.dense({ units: 9, name: 'head' })])
    const before = await Promise.all(larger.weights.map((w) => w.data()))
    await expect(larger.loadWeights(file)).rejects.toMatchObject({
      name: 'FormatError',
      message: expect.stringMatching(/"head\/kernel": expected float32 \[6, 9\], received float32 \[5, 3\]/)
    })
    expect(await Promise.all(larger.weights.map((w) => w.data()))).toEqual(before)
    await larger.loadWeights(file, { skipMismatch: true })
    expect(await larger.weights[0]!.data()).toEqual(await model.weights[0]!.data())
    expect(await larger.weights[2]!.data()).toEqual(before[2])
    const smaller = sequential([layers.dense({ units: 6, inputShape: [4] })])
    await expect(smaller.loadWeights(file)).rejects.toMatchObject({
      name: 'FormatError',
      message: expect.stringMatching(/does not have.*head/)
    })
    const stranger = sequential([layers.dense({ units: 6, inputShape: [4], name: 'else' })])
    await expect(stranger.loadWeights(file)).rejects.toMatchObject({ message: expect.stringMatching(/no tensor "else\/kernel"; it has/) })
  })

  test('models that are not compiled, never trained, or without a known input', async () => {
    const plain = sequential([layers.dense({ units: 2, inputShape: [3] })])
    const file = newFile()
    await plain.save(file)
    const again = await loadModel(file)
    expect(again.isCompiled).toBe(false)
    const compiled = make()
    await compiled.save(file)
    expect((await loadModel(file)).optimizer.iterations).toBe(0)
    expect((await loadModel(file, { compile: false })).isCompiled).toBe(false)
    await compiled.fit(x, y, options)
    await compiled.save(file, { includeOptimizer: false })
    expect((await loadModel(file)).optimizer.iterations).toBe(0)
    const lazy = sequential([layers.dense({ units: 2 })])
    await lazy.save(file)
    const stillLazy = await loadModel(file)
    expect(stillLazy.built).toBe(false)
    expect((await stillLazy.predict([[1, 2]])).shape).toEqual([1, 2])
  })

  test('own layers, losses and metrics come back from customObjects', async () => {
    const squared = (t: Tensor, p: Tensor) => p.sub(t).square()
    const model = sequential([new Scale({ start: 2, inputShape: [4] }), layers.dense({ units: 1 })])
    model.compile({ optimizer: 'sgd', loss: squared, metrics: [squared] })
    await model.fit(x, Float32Array.from(y), options)
    const file = newFile()
    await model.save(file)
    const missing = (message: RegExp) => ({ name: 'ArgumentError', message: expect.stringMatching(message) })
    await expect(loadModel(file)).rejects.toMatchObject(missing(/Scale.*customObjects/s))
    await expect(loadModel(file, { customObjects: { Scale } })).rejects.toMatchObject(missing(/squared.*customObjects/s))
    const again = await loadModel(file, { customObjects: { Scale, squared } })
    expect(await again.evaluate(x, Float32Array.from(y))).toEqual(await model.evaluate(x, Float32Array.from(y)))
    const [nameless] = [(t: Tensor, p: Tensor) => p.sub(t).abs()]
    model.compile({ loss: nameless! })
    await expect(model.save(file)).rejects.toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(/name/) })
  })

  test('what is saved is the moment of the call, also in the middle of a training', async () => {
    setRandomSeed(8)
    const model = make()
    const file = newFile()
    let saved: Promise<void> | undefined
    let expected: Promise<unknown[]> | undefined
    const save = (epoch: number) => {
      if (epoch !== 1) return
      saved = model.save(file)
      expected = Promise.all(model.weights.map(async (w) => [...(await w.data())]))
    }
    await model.fit(x, y, { ...options, epochs: 20, callbacks: [{ onEpochEnd: save }] })
    await saved
    const again = await loadModel(file)
    expect(await Promise.all(again.weights.map(async (w) => [...(await w.data())]))).toEqual(await expected)
  })

  test('modelCheckpoint writes files that load', async () => {
    const model = make()
    const filepath = join(folder, 'checkpoints', '{epoch:02d}.safetensors')
    await model.fit(x, y, { ...options, epochs: 2, callbacks: [callbacks.modelCheckpoint({ filepath })] })
    const last = await loadModel(join(folder, 'checkpoints', '02.safetensors'))
    expect(await bits(last)).toEqual(await bits(model))
  })

  test('weights in bfloat16, integers and booleans', async () => {
    class Mixed extends Layer {
      override build(): void {
        for (const dtype of ['bfloat16', 'int32', 'uint8', 'bool'] as const)
          this.addWeight({ name: dtype, shape: [3], dtype, trainable: false, initializer: 'zeros' })
      }
      override call(input: Tensor): Tensor {
        return input
      }
    }
    const model = sequential([new Mixed({ inputShape: [2] })])
    const values = [
      tensor([1, -2.5, 0.15625], [3], { dtype: 'bfloat16' }),
      tensor(new Int32Array([1, -2, 2 ** 31 - 1])),
      tensor(new Uint8Array([0, 7, 255])),
      tensor([true, false, true])
    ]
    model.setWeights(values)
    const file = newFile()
    await model.save(file)
    const again = await loadModel(file, { customObjects: { Mixed } })
    for (const [i, value] of values.entries()) expect(await again.weights[i]!.data()).toEqual(await value.data())
  })

  describe('files that are broken or lie', () => {
    const good = newFile()
    beforeAll(async () => {
      const model = make()
      await model.fit(x, y, options)
      await model.save(good)
    })
    const head = (config: (c: Json) => void) => () =>
      changeMetadata(good, 'model', (model) => {
        config(model.config.layers[3].config)
        return model
      })
    const state = (edit: (s: Json) => void) => () =>
      changeMetadata(good, 'state', (s) => {
        edit(s)
        return s
      })
    test.each<[string, () => string, RegExp]>([
      ['a later version', () => changeMetadata(good, 'version', () => 2), /expected version 1 of the format, received 2/],
      ['no architecture', () => changeMetadata(good, 'model', () => undefined), /holds no architecture/],
      ['an architecture that is no JSON', () => changeMetadata(good, 'model', () => '{'), /"model" are not JSON/],
      ['an architecture that is no object', () => changeMetadata(good, 'model', () => [1]), /"model" to be an object/],
      ['an architecture without a class', () => changeMetadata(good, 'model', () => ({ a: 1 })), /name no class/],
      ['a layer for a model', () => changeMetadata(good, 'model', () => ({ className: 'Flatten', config: {} })), /class of a model/],
      [
        'layers that are no list',
        () => changeMetadata(good, 'model', (m) => ({ ...m, config: { layers: 3 } })),
        /architecture cannot be read: .*array of layers/
      ],
      [
        'a layer that is nothing',
        () => changeMetadata(good, 'model', (m) => ({ ...m, config: { layers: [null] } })),
        /architecture cannot be read: .*layers/
      ],
      ['an option out of its range', head((c) => (c.units = -1)), /architecture cannot be read: \[dense\] .*units.*-1/],
      [
        'an input shape that is none',
        () => changeMetadata(good, 'model', (m) => ({ ...m, config: { ...m.config, batchInputShape: 3 } })),
        /architecture cannot be read/
      ],
      ['more units than weights', head((c) => (c.units = 7)), /more weights than the file has: kernel of shape \[5, 7\]/],
      ['units that need more memory than there is', head((c) => (c.units = 1e12)), /more weights than the file has/],
      ['fewer units', head((c) => (c.units = 2)), /"head\/kernel": expected float32 \[5, 2\], received float32 \[5, 3\]/],
      [
        'an optimizer that there is not',
        () => changeMetadata(good, 'compile', (c) => ({ ...c, optimizer: 'adamm' })),
        /architecture cannot be read: .*adam/
      ],
      [
        'another optimizer than its state',
        () => changeMetadata(good, 'compile', (c) => ({ ...c, optimizer: 'sgd' })),
        /tensors of the optimizer's state/
      ],
      ['state of a weight that there is not', state((s) => (s.optimized[0] = 'x')), /state for "x"/],
      ['state that is missing', state((s) => s.optimizer.pop()), /optimizer's state/],
      ['random states that are missing', state((s) => (s.random = [])), /random states/],
      ['a state that is no list', state((s) => (s.optimizer = 3)), /"state" are not/],
      ['a shuffle that is none', state((s) => (s.shuffle = { key: [1], drawn: -1 })), /"state" are not/],
      [
        'a tensor that is missing',
        () =>
          change(good, (h, data) => {
            delete h['head/bias']
            const end = Math.max(...Object.values(h).map((e) => e.data_offsets?.[1] ?? 0))
            return data.subarray(0, end)
          }),
        /hole|no tensor "head\/bias"/
      ],
      [
        'a tensor of another name',
        () =>
          change(good, (h) => {
            h['head/bias2'] = h['head/bias']
            delete h['head/bias']
            return undefined
          }),
        /no tensor "head\/bias"/
      ],
      [
        'a tensor of another dtype',
        () =>
          change(good, (h) => {
            h['head/bias'].dtype = 'I32'
            return undefined
          }),
        /"head\/bias": expected float32 \[3\], received int32 \[3\]/
      ],
      [
        'a tensor too many',
        () =>
          change(good, (h, data) => {
            h.more = { dtype: 'U8', shape: [1], data_offsets: [data.length, data.length + 1] }
            return Buffer.concat([data, Buffer.alloc(1)])
          }),
        /"more" has no place/
      ]
    ])('%s', async (_what, make, message) => {
      await collected()
      const { tensors } = memory()
      const file = make()
      await expect(loadModel(file)).rejects.toMatchObject({ name: 'FormatError', message: expect.stringMatching(message) })
      await expect(loadModel(file)).rejects.toThrow(file)
      for (let i = 0; i < 3; i++) await collected()
      expect(memory().tensors).toBeLessThanOrEqual(tensors)
    })
  })

  test('weights: a later version is refused, files of other programs are not', async () => {
    const model = make()
    const file = newFile()
    await model.saveWeights(file)
    await expect(model.loadWeights(changeMetadata(file, 'version', () => 2))).rejects.toThrow(
      'expected version 1 of the format, received 2'
    )
    await model.loadWeights(changeMetadata(file, 'version', () => undefined))
    await model.loadWeights(
      change(file, (header) => {
        Object.assign(header.__metadata__, { format: 'pt', version: '2' })
        return undefined
      })
    )
  })

  test('random numbers drawn while a model is loaded do not change those after it', async () => {
    const file = newFile()
    await make().save(file)
    setRandomSeed(5)
    const expected = await random.normal([4]).data()
    setRandomSeed(5)
    await loadModel(file)
    expect(await random.normal([4]).data()).toEqual(expected)
  })
})
