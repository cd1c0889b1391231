// Losses against Keras: every reduction, sample weights, gradients, logits; names, configs and shapes that do not fit.
import { ArgumentError, full, losses, memory, ShapeError, scope, type Tensor, tensor, valueAndGrad, zeros } from '../../lib'
import type { Serialized } from '../../lib/serialization'
import { withCustomObjects } from '../../lib/serialization'
import goldens from '../goldens/losses.golden.json'
import { collected } from '../support/collected'
import { expectClose, expectCloseNumbers, fromGolden, type GoldenArray } from '../support/golden'
import { onEveryDevice } from '../support/op-suite'

interface LossGolden {
  loss: string
  options: Record<string, unknown>
  yTrue: GoldenArray
  yPred: GoldenArray
  sampleWeight?: GoldenArray
  results: Record<losses.Reduction, GoldenArray>
  /** Of the default reduction, for yPred. */
  gradient: GoldenArray
}

const factory = (name: string) => losses[name as 'huber'] as (options?: object) => losses.Loss
const cases = goldens as unknown as LossGolden[]
const isSparse = (name: string) => name === 'sparseCategoricalCrossentropy'

describe('losses', () => {
  onEveryDevice((device) => {
    test.each(cases.map((golden, i) => [`${golden.loss} ${JSON.stringify(golden.options)} ${i}`, golden] as const))(
      '%s',
      async (title, golden) => {
        await collected()
        const { tensors } = memory()
        const what = `${device.name} ${title}`
        const yTrue = fromGolden(golden.yTrue, isSparse(golden.loss) ? 'int32' : 'float32')
        const yPred = fromGolden(golden.yPred)
        const sampleWeight = golden.sampleWeight && fromGolden(golden.sampleWeight)
        for (const [reduction, expected] of Object.entries(golden.results)) {
          const loss = factory(golden.loss)({ ...golden.options, reduction })
          using value = loss(yTrue, yPred, sampleWeight)
          // Keras keeps a last axis of 1 that only the weights have.
          expect(value.size).toBe(expected.values.length)
          expectCloseNumbers(await value.data(), expected.values.map(Number), `${what} ${reduction}`)
        }
        const loss = factory(golden.loss)(golden.options)
        const { value, grads } = valueAndGrad(() => loss(yTrue, yPred, sampleWeight), [yPred])
        await expectClose(value, golden.results.sumOverBatchSize, what)
        await expectClose(grads[0]!, golden.gradient, `${what}: gradient`)
        const again = losses.get(JSON.parse(JSON.stringify(losses.serialize(loss))) as Serialized)
        expect(again.getConfig()).toEqual(loss.getConfig())
        expect(again.constructor).toBe(loss.constructor)
        for (const t of [yTrue, yPred, sampleWeight, value, grads[0]]) t?.dispose()
        expect(memory().tensors).toBe(tensors)
      }
    )

    test.each(['binaryCrossentropy', 'categoricalCrossentropy', 'sparseCategoricalCrossentropy'])(
      '%s from logits is that of the probabilities',
      async (name) => {
        const logits = tensor([
          [0.5, -1, 2],
          [1.5, 0.25, -0.5]
        ])
        const targets = isSparse(name)
          ? tensor([2, 0], [2], { dtype: 'uint8' })
          : tensor([
              [0, 0, 1],
              [1, 0, 0]
            ])
        const loss = factory(name)()
        const probabilities = loss.logitsActivation === 'softmax' ? logits.softmax() : logits.sigmoid()
        const [a, b] = [await loss(targets, probabilities).item(), await loss.callFromLogits(targets, logits).item()]
        expectCloseNumbers([b], [a], name, 1e-6)
        const smooth = factory(name)({ fromLogits: true })
        expect(await smooth(targets, logits).item()).toBe(b)
      }
    )
  })
})

test('integer labels of any dtype are the same', async () => {
  const logits = tensor([
    [0.5, -1, 2],
    [1.5, 0.25, -0.5]
  ])
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  const values = await Promise.all(
    (['int32', 'uint8', 'float32'] as const).map((dtype) => loss(tensor([2, 1], [2], { dtype }), logits).item())
  )
  expect(new Set(values).size).toBe(1)
  const mse = losses.meanSquaredError()
  expect(await mse(tensor([1, 3], [2], { dtype: 'uint8' }), tensor([[1], [1]])).item()).toBe(2)
})

test('ignored labels count for nothing, bytes too', async () => {
  const logits = tensor([
    [0.5, -1, 2],
    [1.5, 0.25, -0.5]
  ])
  const all = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  const [first] = await all(tensor([2], [1], { dtype: 'uint8' }), logits.slice([0, 0], [1, 3])).data()
  for (const ignoreClass of [255, 1]) {
    const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass })
    expect(await loss(tensor([2, ignoreClass], [2], { dtype: 'uint8' }), logits).item()).toBeCloseTo(first!, 6)
  }
  const none = losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: -1 })
  expect(await none(tensor([2, 0], [2], { dtype: 'uint8' }), logits).item()).toBe(await all(tensor([2, 0]), logits).item())
})

test.each([false, true])('a label out of range is an error of the next read, fromLogits %s', async (fromLogits) => {
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits })
  for (const label of [2, 7, -1]) {
    const value = loss(tensor([0, label], [2], { dtype: 'int32' }), full([2, 2], 0.5))
    await expect(value.data()).rejects.toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(`0 to 1.*${label}`) })
  }
  const ignoring = losses.sparseCategoricalCrossentropy({ fromLogits, ignoreClass: 7 })
  expect(await ignoring(tensor([0, 7], [2], { dtype: 'int32' }), full([2, 2], 0.5)).item()).toBeCloseTo(Math.LN2, 6)
})

test('a bfloat16 prediction gives a float32 loss', () => {
  const yPred = tensor([[0.5, 0.5]], undefined, { dtype: 'bfloat16' })
  for (const name of ['meanSquaredError', 'categoricalCrossentropy', 'hinge'])
    expect(factory(name)()(tensor([[0, 1]]), yPred).dtype).toBe('float32')
})

test('sample weights of a sample count for all its values', async () => {
  const [yTrue, yPred] = [zeros([2, 3, 4]), tensor(new Float32Array(24).fill(2), [2, 3, 4])]
  expect(
    await losses
      .meanSquaredError({ reduction: 'sum' })(yTrue, yPred, tensor([1, 10]))
      .item()
  ).toBe(3 * 4 * 11)
})

test('a loss is found by name, alias, object, function and class', async () => {
  expect(losses.get('mse').getConfig()).toEqual(losses.meanSquaredError().getConfig())
  const huber = losses.huber({ delta: 2 })
  expect(losses.get(huber)).toBe(huber)
  function cubic(yTrue: Tensor, yPred: Tensor): Tensor {
    return yPred.sub(yTrue).pow(3).mean(-1)
  }
  const own = losses.get(cubic)
  expect(own.name).toBe('cubic')
  expect(await own(tensor([[0], [0]]), tensor([[1], [3]])).item()).toBe(14)
  const written = losses.serialize(own)
  expect(written).toEqual({ function: 'cubic' })
  expect(() => losses.get(written)).toThrow(/cubic.*customObjects/)
  expect(withCustomObjects({ cubic }, () => losses.get(written)).name).toBe('cubic')

  class Quartic extends losses.Loss {
    override values(yTrue: Tensor, yPred: Tensor): Tensor {
      return yPred.sub(yTrue).square().square().mean(-1)
    }
  }
  const quartic = new Quartic()
  expect(quartic).toBeInstanceOf(losses.Loss)
  expect(quartic.name).toBe('quartic')
  expect(await quartic(tensor([[0]]), tensor([[2]])).item()).toBe(16)
  expect(losses.serialize(quartic)).toEqual({ className: 'Quartic', config: { name: 'quartic', reduction: 'sumOverBatchSize' } })
})

test('names and options that are wrong', () => {
  expect(() => losses.get('sparse_categorical_crossentropy' as 'mse')).toThrow(
    "unknown loss 'sparse_categorical_crossentropy': the name is 'sparseCategoricalCrossentropy'"
  )
  expect(() => losses.get('meanSquareError' as 'mse')).toThrow("unknown loss 'meanSquareError': did you mean 'meanSquaredError'?")
  expect(() => losses.get(3 as unknown as 'mse')).toThrow('expected a loss (a name, an object or a function), received 3')
  const bad: [() => unknown, string][] = [
    [() => losses.huber({ delta: 0 }), '[huber] expected delta to be a finite number greater than 0, received 0'],
    [
      () => losses.binaryCrossentropy({ labelSmoothing: 1.5 }),
      '[binaryCrossentropy] expected labelSmoothing to be a finite number of at least 0 and at most 1, received 1.5'
    ],
    [
      () => losses.poisson({ reduction: 'average' as 'sum' }),
      "[poisson] expected reduction to be one of 'sumOverBatchSize', 'mean', 'meanWithSampleWeight', 'sum', 'none', received \"average\""
    ],
    [
      () => losses.binaryCrossentropy({ from_logits: true } as object),
      '[binaryCrossentropy] expected the option fromLogits, received from_logits'
    ],
    [
      () => losses.categoricalCrossentropy({ fromLogits: 1 as unknown as boolean }),
      '[categoricalCrossentropy] expected fromLogits to be true or false, received 1'
    ]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ArgumentError)
    expect(run).toThrow(message)
  }
})

test('shapes that do not fit', () => {
  const bad: [() => unknown, string][] = [
    [
      () => scope(() => losses.meanSquaredError()(zeros([4, 3]), zeros([4, 2]))),
      '[meanSquaredError] expected yTrue to have the shape of yPred, [4, 2], received [4, 3]'
    ],
    [
      () => scope(() => losses.meanSquaredError()(zeros([4]), zeros([4, 2]))),
      '[meanSquaredError] expected yTrue to have the shape of yPred, [4, 2], received [4]'
    ],
    [
      () => scope(() => losses.sparseCategoricalCrossentropy()(zeros([3]), zeros([4, 2]))),
      '[sparseCategoricalCrossentropy] expected yTrue to hold class numbers of shape [4] for yPred of shape [4, 2], received [3]'
    ],
    [
      () => scope(() => losses.meanSquaredError()(zeros([4, 2]), zeros([4, 2]), zeros([3]))),
      '[meanSquaredError] expected sampleWeight to fit values of shape [4], received [3]'
    ]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ShapeError)
    expect(run).toThrow(message)
  }
})
