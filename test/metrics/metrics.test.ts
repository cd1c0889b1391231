// Metrics against Keras: running results over batches, sample weights; how 'accuracy' is resolved; names and configs.
import { losses, memory, metrics, type Tensor, tensor } from '../../lib'
import type { Serialized } from '../../lib/serialization'
import goldens from '../goldens/metrics.golden.json'
import { collected } from '../support/collected'
import { expectCloseNumbers, fromGolden, type GoldenArray } from '../support/golden'
import { onEveryDevice } from '../support/op-suite'

interface MetricGolden {
  metric: string
  options: Record<string, unknown>
  updates: { yTrue: GoldenArray; yPred: GoldenArray; sampleWeight?: GoldenArray; result: number }[]
}

const factory = (name: string) => metrics[name as 'accuracy'] as (options?: object) => metrics.Metric
const integers = new Set(['accuracy', 'sparseCategoricalAccuracy', 'sparseCategoricalCrossentropy'])

describe('metrics', () => {
  onEveryDevice((device) => {
    const cases = (goldens as unknown as MetricGolden[]).map(
      (golden, i) => [`${golden.metric} ${JSON.stringify(golden.options)} ${i}`, golden] as const
    )
    test.each(cases)('%s', async (title, golden) => {
      await collected()
      const { tensors } = memory()
      {
        using metric = factory(golden.metric)(golden.options)
        for (let pass = 0; pass < 2; pass++) {
          for (const [i, update] of golden.updates.entries()) {
            using yTrue = fromGolden(update.yTrue, integers.has(golden.metric) ? 'int32' : 'float32')
            using yPred = fromGolden(update.yPred)
            using sampleWeight = update.sampleWeight ? fromGolden(update.sampleWeight) : null
            metric.update(yTrue, yPred, sampleWeight ?? undefined)
            expectCloseNumbers([await metric.result()], [update.result], `${device.name} ${title}: update ${i} of pass ${pass}`, 1e-5)
          }
          metric.reset()
        }
        expect(await metric.result()).toBe(0)
        using again = metrics.get(JSON.parse(JSON.stringify(metrics.serialize(metric))) as Serialized)
        expect(again.getConfig()).toEqual(metric.getConfig())
        expect(again.constructor).toBe(metric.constructor)
      }
      expect(memory().tensors).toBe(tensors)
    })

    test('totals lose nothing over many batches', async () => {
      using metric = metrics.meanAbsoluteError()
      using yTrue = tensor([[0]])
      using yPred = tensor([[0.1]])
      for (let i = 0; i < 2000; i++) metric.update(yTrue, yPred)
      expect(await metric.result()).toBeCloseTo(Math.fround(0.1), 9)
    })
  })
})

test('accuracy and crossentropy go by shapes', () => {
  const kinds: [metrics.MetricSpec, (number | null)[], (number | null)[], string][] = [
    ['accuracy', [null, 1], [null, 1], 'BinaryAccuracy'],
    ['acc', [null], [null, 1], 'BinaryAccuracy'],
    ['accuracy', [null], [null, 10], 'SparseCategoricalAccuracy'],
    ['accuracy', [null, 1], [null, 10], 'SparseCategoricalAccuracy'],
    ['accuracy', [null, 7], [null, 7, 10], 'SparseCategoricalAccuracy'],
    ['accuracy', [null, 10], [null, 10], 'CategoricalAccuracy'],
    ['crossentropy', [null, 1], [null, 1], 'BinaryCrossentropy'],
    ['ce', [null], [null, 10], 'SparseCategoricalCrossentropy'],
    ['crossentropy', [null, 10], [null, 10], 'CategoricalCrossentropy']
  ]
  for (const [spec, yTrue, yPred, kind] of kinds) {
    expect(metrics.needsShapes(spec)).toBe(true)
    const metric = metrics.get(spec, { yTrue, yPred })
    expect([metric.constructor.name, metric.name]).toEqual([kind, spec])
  }
  expect(metrics.needsShapes('mse')).toBe(false)
})

test('a metric is found by name, object, loss and function, and knows its direction', async () => {
  expect([metrics.get('mse').name, metrics.get('mse').direction]).toEqual(['mse', 'down'])
  expect(metrics.get('binaryAccuracy').direction).toBe('up')
  expect(metrics.get('cosineSimilarity').direction).toBe('up')
  const metric = metrics.binaryAccuracy({ name: 'right' })
  expect(metrics.get(metric)).toBe(metric)
  const huber = metrics.get(losses.huber({ delta: 2 }))
  const again = metrics.get(JSON.parse(JSON.stringify(metrics.serialize(huber))) as Serialized) as metrics.LossMetric
  expect([huber.name, huber.direction, again.name, again.loss.getConfig().delta]).toEqual(['huber', 'down', 'huber', 2])
  function bias(yTrue: Tensor, yPred: Tensor): Tensor {
    return yPred.sub(yTrue).mean(-1)
  }
  using own = metrics.get(bias)
  own.update(tensor([[1], [1]]), tensor([[2], [4]]))
  expect([own.name, own.direction, await own.result()]).toEqual(['bias', undefined, 2])
})

test('names and options that are wrong', () => {
  expect(() => metrics.get('binary_accuracy' as 'mse')).toThrow("unknown metric 'binary_accuracy': the name is 'binaryAccuracy'")
  expect(() => metrics.get('acurracy' as 'mse')).toThrow("unknown metric 'acurracy': did you mean 'accuracy'?")
  for (const threshold of [Number.NaN, 0, 1, 2]) {
    expect(() => metrics.binaryAccuracy({ threshold })).toThrow(
      `[binaryAccuracy] expected threshold to be a finite number greater than 0 and less than 1, received ${threshold}`
    )
  }
})
