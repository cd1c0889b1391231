// Sequential models as objects: shapes, names, weights, summary, prediction; and what is refused.
import {
  type Batches,
  type FitOptions,
  initializers,
  type Layer,
  layers,
  type ModelValues,
  sequential,
  setRandomSeed,
  type Tensor,
  tensor,
  zeros
} from '../../lib'
import { setResidentLimit } from '../../lib/data/upload'
import { onEveryDevice } from '../support/op-suite'

const make = () =>
  sequential([
    layers.dense({ units: 4, activation: 'relu', inputShape: [3] }),
    layers.dropout({ rate: 0.5 }),
    layers.dense({ units: 2, name: 'head' })
  ])
const compiled = () => {
  const model = make()
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  return model
}

onEveryDevice(() => {
  test('knows its shapes and weights when its input is known', () => {
    const model = make()
    expect(model.built).toBe(true)
    expect([model.inputShapes, model.outputShapes]).toEqual([[[null, 3]], [[null, 2]]])
    expect(model.layers.map((layer) => layer.name)).toEqual(['dense', 'dropout', 'head'])
    expect(model.countParams()).toBe(4 * 3 + 4 + 2 * 4 + 2)
    expect(model.weights.map((w) => [w.name, w.shape])).toEqual([
      ['kernel', [3, 4]],
      ['bias', [4]],
      ['kernel', [4, 2]],
      ['bias', [2]]
    ])
    expect(model.getLayer('head')).toBe(model.layers[2])
    expect(model.getLayer(-1)).toBe(model.layers[2])
    expect(() => model.getLayer('haed')).toThrow(/"dense", "dropout", "head" or an index, received "haed"/)
  })

  test('is built by the data that it sees first, whatever they are', async () => {
    const lazy = () => {
      const model = sequential([layers.dense({ units: 4 }), layers.dense({ units: 1 })])
      model.compile({ optimizer: 'sgd', loss: 'mse' })
      return model
    }
    const x = [
      [1, 2, 3],
      [4, 5, 6]
    ]
    for (const see of [
      (m: ReturnType<typeof lazy>) => m.fit(x, [1, 2], { verbose: 0 }),
      (m: ReturnType<typeof lazy>) => m.fit(() => [{ x, y: new Float32Array(2) }], { verbose: 0 }),
      (m: ReturnType<typeof lazy>) => m.evaluate(x, [1, 2]),
      (m: ReturnType<typeof lazy>) => m.predict(x),
      (m: ReturnType<typeof lazy>) => m.trainOnBatch(x, [1, 2])
    ]) {
      const model = lazy()
      expect(model.built).toBe(false)
      await see(model)
      expect(model.inputShapes).toEqual([[null, 3]])
      expect(model.weights[0]!.shape).toEqual([3, 4])
    }
    await expect(lazy().predict(new Float32Array(6))).rejects.toMatchObject({
      name: 'ShapeError',
      message: expect.stringMatching(/input shape/)
    })
  })

  test('layers are added; a model may be a layer of another', async () => {
    const model = sequential([], { name: 'outer' })
    model.add(make())
    model.add(layers.dense({ units: 5, activation: 'softmax' }))
    expect([model.name, model.outputShapes]).toEqual(['outer', [[null, 5]]])
    expect(model.weights.length).toBe(6)
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
    const { history } = await model.fit(zeros([4, 3]), [0, 1, 2, 3], { verbose: 0, epochs: 2 })
    expect(history.loss!.length).toBe(2)
    const viaInput = sequential([layers.inputLayer({ shape: [3] }), layers.dense({ units: 2 })])
    expect([viaInput.built, viaInput.layers.length]).toEqual([true, 1])
  })

  test('the summary', () => {
    const lines: string[] = []
    const model = sequential([layers.dense({ units: 400, inputShape: [7], name: 'a' }), layers.flatten({ name: 'b' })], { name: 'm' })
    model.layers[0]!.trainable = false
    model.summary({ printFn: (line) => lines.push(line) })
    expect(lines.join('\n')).toBe(
      `Model: "m"
┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━┓
┃ Layer (type) ┃ Output shape ┃ Params ┃
┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━┩
│ a (Dense)    │ [null, 400]  │  3,200 │
├──────────────┼──────────────┼────────┤
│ b (Flatten)  │ [null, 400]  │      0 │
└──────────────┴──────────────┴────────┘
 Total params: 3,200 (12.50 KiB)
 Trainable params: 0 (0 B)
 Non-trainable params: 3,200 (12.50 KiB)`
    )
    const unknown: string[] = []
    sequential([layers.dense({ units: 1 })]).summary({ printFn: (line) => unknown.push(line) })
    expect(unknown[4]).toMatch(/\? +│ \? \(not built\)/)
  })

  test('weights are copied out and in', async () => {
    const model = make()
    const weights = model.getWeights()
    expect(weights[0]).not.toBe(model.weights[0])
    model.setWeights([zeros([3, 4]), [1, 1, 1, 1], new Float32Array(8).fill(2), [3, 4]])
    expect(await model.predictOnBatch([[1, 2, 3]]).array()).toEqual([[11, 12]])
    expect((await weights[0]!.data()).some((v) => v !== 0)).toBe(true)
    expect(() => model.setWeights([])).toThrow(expect.objectContaining({ name: 'ArgumentError', message: expect.stringMatching(/4.*0/) }))
  })

  test('predicts in batches what it predicts at once, from all forms of data', async () => {
    setRandomSeed(1)
    const model = make()
    const x = Float32Array.from({ length: 3 * 1000 }, (_, i) => Math.sin(i))
    const [all] = [await (await model.predict(x, { batchSize: 1000 })).data()]
    expect(all.length).toBe(2000)
    const items = function* () {
      for (let i = 0; i < 1000; i += 250) yield { x: x.slice(3 * i, 3 * (i + 250)) }
    }
    const plain = function* () {
      for (let i = 0; i < 1000; i += 300) yield tensor(x.slice(3 * i, 3 * (i + 300)), [Math.min(300, 1000 - i), 3])
    }
    const same = async (batch: Promise<Tensor>) => expect(await (await batch).data()).toEqual(all)
    await same(model.predict(x))
    await same(model.predict(x, { batchSize: 3 }))
    await same(model.predict(tensor(x, [1000, 3]), { batchSize: 999 }))
    await same(model.predict(items))
    await same(model.predict(plain as unknown as Batches))
    setResidentLimit(0)
    await same(model.predict(x, { batchSize: 7 }))
    setResidentLimit(undefined)
    expect((await model.predict(x, { batchSize: 10, steps: 3 })).shape).toEqual([30, 2])
    expect(await model.predictOnBatch(x).data()).toEqual(all)
  })

  test('dropout acts only where training is asked for', async () => {
    const model = sequential([layers.dropout({ rate: 0.5, inputShape: [1000] })])
    const ones = tensor(new Float32Array(1000).fill(1), [1, 1000])
    expect((await model.predictOnBatch(ones).data()).every((v) => v === 1)).toBe(true)
    expect((await model.apply(ones, { training: true }).data()).some((v) => v === 0)).toBe(true)
  })

  test('trainOnBatch and testOnBatch give the logs of their batch', async () => {
    const model = sequential([layers.dense({ units: 1, useBias: false, inputShape: [1], kernelInitializer: initializers.constant(0) })])
    model.compile({ optimizer: 'sgd', loss: 'mse', metrics: ['mae'] })
    expect(await model.testOnBatch([[1]], [2])).toEqual({ loss: 4, mae: 2 })
    const both = await Promise.all([model.trainOnBatch([[1]], [2]), model.trainOnBatch([[1]], [2], { sampleWeight: [0.5] })])
    // SGD of 0.01: w = 0.04 after the first batch.
    expect(both[0]).toEqual({ loss: 4, mae: 2 })
    expect(both[1]!.loss).toBeCloseTo(0.5 * 1.96 ** 2, 6)
    expect(model.optimizer.iterations).toBe(2)
    expect((await model.trainOnBatch([[0], [0]], [[1], [2]], { classWeight: { 2: 10 } })).loss).toBeCloseTo((1 + 10 * 4) / 2, 5)
  })

  const four = zeros([4, 3])
  const refused: [string, string, RegExp, () => unknown][] = [
    ['something else than layers', 'ArgumentError', /expected layers, received/, () => sequential([{} as Layer])],
    [
      'two layers of one name',
      'ArgumentError',
      /two of the name "a"/,
      () => sequential([layers.flatten({ name: 'a' }), layers.flatten({ name: 'a' })])
    ],
    [
      'layers that do not fit',
      'ShapeError',
      /head/,
      () => sequential([layers.flatten({ inputShape: [null, 2] }), layers.dense({ units: 1, name: 'head' })])
    ],
    ['another length of y', 'ShapeError', /\[fit\].*4.*5/, () => compiled().fit(four, zeros([5, 2]), { verbose: 0 })],
    [
      'another length of sampleWeight',
      'ShapeError',
      /sampleWeight.*4.*3/,
      () => compiled().fit(four, zeros([4, 2]), { sampleWeight: [1, 2, 3] })
    ],
    [
      'another width of x',
      'ShapeError',
      /expected the input of layer "\w+" to be \[null, 3\], received \[2, 7\]/,
      () => compiled().predict(zeros([2, 7]))
    ],
    ['a flat x that does not come out even', 'ShapeError', /multiple of 3.*\[3\].*7 values/, () => compiled().predict(new Float32Array(7))],
    [
      'a flat y that does not come out even',
      'ShapeError',
      /y to have 4 samples of shape \[2\], received 9/,
      () => compiled().fit(four, new Float32Array(9))
    ],
    ['ragged arrays', 'ShapeError', /tensor/, () => compiled().fit([[1, 2, 3], [1]], [1, 2])],
    ['no samples', 'ArgumentError', /at least one sample/, () => compiled().fit(zeros([0, 3]), zeros([0, 2]))],
    ['no samples in an array', 'ArgumentError', /at least one sample/, () => compiled().fit([], [])],
    ['x that is no data', 'ArgumentError', /x.*received/, () => compiled().fit(3 as ModelValues, [1])],
    ['x that is missing', 'ArgumentError', /x, received undefined/, () => compiled().fit(undefined as unknown as ModelValues, [1])],
    ['y that is missing', 'ArgumentError', /y, received undefined/, () => compiled().fit(four, undefined as unknown as ModelValues)],
    [
      'rows as separate typed arrays',
      'ArgumentError',
      /one typed array/,
      () => compiled().fit([new Float32Array(3), new Float32Array(3)], [1, 2])
    ],
    ['a record for one input', 'ArgumentError', /record/, () => compiled().fit({ a: [1] }, [1])],
    [
      'a type of numbers that there is not',
      'ArgumentError',
      /BigInt64Array/,
      () => compiled().fit(new BigInt64Array(3) as unknown as Float32Array, [1])
    ],
    ['epochs that are no number', 'ArgumentError', /epochs.*1\.5/, () => compiled().fit(four, four, { epochs: 1.5 })],
    ['a batch size of 0', 'ArgumentError', /batchSize.*0/, () => compiled().fit(four, four, { batchSize: 0 })],
    ['an option of Python', 'ArgumentError', /batchSize.*batch_size/, () => compiled().fit(four, four, { batch_size: 1 } as FitOptions)],
    [
      'a validationSplit of 1',
      'ArgumentError',
      /validationSplit.*1/,
      () => compiled().fit(four, zeros([4, 2]), { validationSplit: 1, verbose: 0 })
    ],
    ['another verbose', 'ArgumentError', /^\[fit\] .*verbose.*3/, () => compiled().fit(four, four, { verbose: 3 as 2 })],
    [
      'another verbose of evaluate',
      'ArgumentError',
      /^\[evaluate\] .*verbose.*3/,
      () => compiled().evaluate(four, four, { verbose: 3 as 2 })
    ],
    ['a signal that is none', 'ArgumentError', /^\[fit\] .*AbortSignal.*5/, () => compiled().fit(four, four, { signal: 5 as never })],
    [
      'a signal that is none in predict',
      'ArgumentError',
      /^\[predict\] .*AbortSignal.*5/,
      () => compiled().predict(four, { signal: 5 as never })
    ],
    [
      'a validationFreq in words',
      'ArgumentError',
      /validationFreq to be an integer.*"2"/,
      () => compiled().fit(four, four, { validationFreq: '2' as never })
    ],
    [
      'a validationFreq of 0 in a list',
      'ArgumentError',
      /validationFreq\[1\] to be an integer of at least 1, received 0/,
      () => compiled().fit(four, four, { validationFreq: [1, 0] })
    ],
    [
      'class and sample weights',
      'ArgumentError',
      /classWeight or sampleWeight/,
      () => compiled().fit(four, four, { classWeight: {}, sampleWeight: [1] })
    ],
    [
      'class weights by name',
      'ArgumentError',
      /class numbers/,
      () => compiled().fit(four, four, { classWeight: { cat: 1 } as Record<number, number> })
    ],
    ['callbacks that are none', 'ArgumentError', /callbacks/, () => compiled().fit(four, four, { callbacks: [3 as never] })],
    ['no batches', 'ArgumentError', /at least one batch/, () => compiled().fit(() => [], { verbose: 0 })],
    [
      'a generator that is spent',
      'ArgumentError',
      /generator that is spent/,
      () => compiled().fit([{ x: zeros([4, 3]), y: zeros([4, 2]) }].values(), { epochs: 2, verbose: 0 })
    ],
    [
      'a spent generator with stepsPerEpoch',
      'ArgumentError',
      /spent/,
      () => compiled().fit([{ x: zeros([4, 3]), y: zeros([4, 2]) }].values(), { stepsPerEpoch: 2, verbose: 0 })
    ],
    [
      'batches of another form',
      'ArgumentError',
      /batches to be \{ x, y \} or \[x, y\], received 3/,
      () => compiled().fit([3].values() as unknown as Batches, { verbose: 0 })
    ],
    [
      'a function that gives no batches',
      'ArgumentError',
      /iterable of batches/,
      () => compiled().fit((() => 3) as unknown as Batches, { verbose: 0 })
    ],
    ['a split of batches', 'ArgumentError', /validationSplit with batches/, () => compiled().fit(() => [], { validationSplit: 0.5 })],
    ['fit before compile', 'NotCompiledError', /compile/, () => make().fit(four, four)],
    ['evaluate before compile', 'NotCompiledError', /compile/, () => make().evaluate(four, four)],
    ['the optimizer before compile', 'NotCompiledError', /compile/, () => make().optimizer],
    [
      'an unknown loss',
      'ArgumentError',
      /^\[compile\] .*meanSquardError.*meanSquaredError/,
      () => make().compile({ loss: 'meanSquardError' as 'mse' })
    ],
    [
      'an unknown metric',
      'ArgumentError',
      /^\[compile\] .*acuracy.*accuracy/,
      () => make().compile({ loss: 'mse', metrics: ['acuracy' as 'acc'] })
    ]
  ]
  test.each(refused)('refuses %s', async (_what, name, message, run) => {
    await expect((async () => run())()).rejects.toMatchObject({ name, message: expect.stringMatching(message) })
  })

  test('a model that was disposed of is refused', async () => {
    const model = compiled()
    model.dispose()
    const targets = zeros([4, 2])
    const calls = {
      fit: () => model.fit(four, targets, { verbose: 0 }),
      evaluate: () => model.evaluate(four, targets),
      predict: () => model.predict(four),
      predictOnBatch: () => model.predictOnBatch(four),
      trainOnBatch: () => model.trainOnBatch(four, targets),
      testOnBatch: () => model.testOnBatch(four, targets),
      save: () => model.save('never'),
      saveWeights: () => model.saveWeights('never'),
      loadWeights: () => model.loadWeights('never'),
      compile: () => model.compile({ loss: 'mse' })
    }
    for (const [where, call] of Object.entries(calls)) {
      const message = `[${where}] expected a live model, received ${model.name} that has been disposed`
      await expect((async () => call())()).rejects.toMatchObject({ name: 'DisposedError', message })
    }
  })
})
