// What `predict` and its kin give is typed as the model's `outputs` were: checked by the compiler; and records go in and out everywhere.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Functional,
  input,
  layers,
  loadModel,
  model,
  random,
  type SymbolicTensor,
  sequential,
  setRandomSeed,
  type Tensor,
  zeros
} from '../../lib'
import { onEveryDevice } from '../support/op-suite'

/** True if two types are the same: neither is more than the other, readonly and optional included. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only for `true`. */
const holds = <T extends true>(): T | undefined => undefined

const x = () => input({ shape: [2], name: 'x' })
const dense = (t: SymbolicTensor, units: number, name?: string) => layers.dense({ units, name }).apply(t)
type Predicted<M extends { predict(...args: never[]): unknown }> = Awaited<ReturnType<M['predict']>>

test('one output is a tensor', async () => {
  const t = x()
  using net = model({ inputs: t, outputs: dense(t, 3) })
  holds<Same<typeof net, Functional<Tensor>>>()
  holds<Same<Predicted<typeof net>, Tensor>>()
  holds<Same<ReturnType<typeof net.predictOnBatch>, Tensor>>()
  holds<Same<typeof net.output, SymbolicTensor>>()
  const y = await net.predict(zeros([4, 2]))
  expect(y.shape).toEqual([4, 3])
})

test('an array is a tuple of as many tensors', async () => {
  const t = x()
  using net = model({ inputs: [t], outputs: [dense(t, 3), dense(t, 1)] })
  holds<Same<Predicted<typeof net>, [Tensor, Tensor]>>()
  holds<Same<ReturnType<typeof net.predictOnBatch>, [Tensor, Tensor]>>()
  const y = await net.predict([zeros([4, 2])])
  // @ts-expect-error: there are two outputs
  expect([y[0].shape, y[1].shape, y[2]]).toEqual([[4, 3], [4, 1], undefined])

  const list: SymbolicTensor[] = [dense(t, 1), dense(t, 1), dense(t, 1)]
  using many = model({ inputs: t, outputs: list })
  holds<Same<Predicted<typeof many>, Tensor[]>>()
  expect((await many.predict(zeros([4, 2]))).length).toBe(3)
})

test('a record is a record of tensors, also where the model is a layer', async () => {
  const t = x()
  using net = model({ inputs: { t }, outputs: { wide: dense(t, 3), narrow: dense(t, 1) } })
  holds<Same<Predicted<typeof net>, { wide: Tensor; narrow: Tensor }>>()
  holds<Same<typeof net.output, { wide: SymbolicTensor; narrow: SymbolicTensor }>>()
  const { wide, narrow } = await net.predict({ t: zeros([4, 2]) })
  expect([wide.shape, narrow.shape]).toEqual([
    [4, 3],
    [4, 1]
  ])
  // @ts-expect-error: there is no such output
  expect((await net.predict({ t: zeros([4, 2]) })).broad).toBeUndefined()

  const inner = net.apply(x())
  holds<Same<typeof inner, { wide: SymbolicTensor; narrow: SymbolicTensor }>>()
  const concrete = net.apply(zeros([1, 2]))
  holds<Same<typeof concrete, { wide: Tensor; narrow: Tensor }>>()
  expect([inner.wide.shape, concrete.wide.shape]).toEqual([
    [null, 3],
    [1, 3]
  ])
})

test('a sequential model gives a tensor', async () => {
  using net = sequential([layers.dense({ units: 3, inputShape: [2] })])
  holds<Same<Predicted<typeof net>, Tensor>>()
  expect((await net.predict(zeros([4, 2]))).shape).toEqual([4, 3])
})

onEveryDevice(() => {
  test('records of inputs and outputs in compile, fit, evaluate, predict, save and load', async () => {
    setRandomSeed(6)
    const [left, right] = [input({ shape: [3], name: 'l' }), input({ shape: [2], name: 'r' })]
    const both = layers.concatenate().apply([dense(left, 4), dense(right, 4)])
    using net = model({ inputs: { right, left }, outputs: { mean: dense(both, 1, 'a'), kind: dense(both, 3, 'b') } })
    expect([net.inputNames, net.outputNames]).toEqual([
      ['right', 'left'],
      ['mean', 'kind']
    ])
    net.compile({
      optimizer: 'sgd',
      loss: { kind: 'mse', mean: 'mae' },
      lossWeights: { mean: 0.25, kind: 3 },
      metrics: { kind: ['mae'] }
    })
    const data = { left: random.normal([12, 3]), right: random.normal([12, 2]) }
    const targets = { kind: random.normal([12, 3]), mean: random.normal([12, 1]) }
    const { history } = await net.fit(data, targets, { batchSize: 4, epochs: 2, verbose: 0, validationData: { x: data, y: targets } })
    const keys = ['loss', 'mean_loss', 'kind_loss', 'kind_mae']
    expect(Object.keys(history)).toEqual([...keys, ...keys.map((key) => `val_${key}`)])

    const logs = await net.evaluate(data, targets)
    const { mean, kind } = await net.predict(data)
    const [mae, mse] = [await mean.sub(targets.mean).abs().mean().item(), await kind.sub(targets.kind).square().mean().item()]
    expect([logs.mean_loss, logs.kind_loss]).toEqual([expect.closeTo(mae, 5), expect.closeTo(mse, 5)])
    expect(logs.loss).toBeCloseTo(0.25 * mae + 3 * mse, 5)
    expect(await net.testOnBatch(data, targets)).toEqual(logs)

    const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
    await net.save(join(folder, 'net.safetensors'))
    using again = await loadModel<{ mean: Tensor; kind: Tensor }>(join(folder, 'net.safetensors'))
    rmSync(folder, { recursive: true })
    holds<Same<Predicted<typeof again>, { mean: Tensor; kind: Tensor }>>()
    expect([again.inputNames, again.outputNames]).toEqual([net.inputNames, net.outputNames])
    const predicted = await again.predict(data)
    expect([await predicted.mean.data(), await predicted.kind.data()]).toEqual([await mean.data(), await kind.data()])
    expect(await again.evaluate(data, targets)).toEqual(logs)
    expect(await again.trainOnBatch(data, targets)).toEqual(await net.trainOnBatch(data, targets))
  })
})
