// Errors in a layer's work name the op and the layer, whenever they surface: at once, at a later read, in replays and in fit.
import {
  capture,
  Layer,
  layers,
  memory,
  ops,
  type PartialShape,
  ShapeError,
  scope,
  sequential,
  synchronize,
  type Tensor,
  tensor,
  type Variable,
  valueAndGrad,
  zeros
} from '../../lib'
import { native } from '../../lib/addon'
import { run } from '../../lib/op'
import { onEveryDevice } from '../support/op-suite'

/** Rows of a table of 4, by indices that nobody checks before the kernel does. */
class Lookup extends Layer {
  table!: Variable
  override build(_shape: PartialShape): void {
    this.table = this.addWeight({ name: 'table', shape: [4, 2] })
  }
  override call(x: Tensor): Tensor {
    return ops.gather(this.table, x.cast('int32'))
  }
}

const indices = (...values: number[]) => tensor(Int32Array.from(values), [values.length, 1])
const outOfRange = (op: string, layer: string, index: number) => ({
  code: 'ArgumentError',
  op,
  layer,
  message: `[${op}] expected indices from 0 to 3, received ${index} (layer "${layer}")`
})

onEveryDevice((device) => {
  test('eagerly, the innermost layer; without a layer, the op alone', async () => {
    const inner = new Lookup({ name: 'rows' })
    class Outer extends Layer {
      readonly lookup = inner
      override call(x: Tensor): Tensor {
        return this.lookup.apply(x).mul(2)
      }
    }
    const outer = new Outer({ name: 'outer' })
    await expect(outer.apply(indices(1, 9)).data()).rejects.toMatchObject(outOfRange('gather', 'rows', 9))
    const plain = ops.gather(zeros([1, 2]), indices(5))
    await expect(plain.data()).rejects.toMatchObject({ message: '[gather] expected indices from 0 to 0, received 5' })
  })

  test('a gradient names the layer of the op that it belongs to', async () => {
    const layer = new Lookup({ name: 'rows' })
    layer.build([null, 1])
    const bad = indices(7)
    // The forward pass has told its own failure when the gradient is computed.
    const { grads } = valueAndGrad(() => {
      const sum = layer.apply(bad).sum()
      expect(() => sum.dataSync()).toThrow('(layer "rows")')
      return sum
    }, layer.trainableVariables)
    await expect(grads[0]!.data()).rejects.toMatchObject(outOfRange('scatterAdd', 'rows', 7))
  })

  test('in replays of a captured function', async () => {
    const first = new Lookup({ name: 'first' })
    const second = new Lookup({ name: 'second' })
    const step = capture((x: Tensor, z: Tensor) => first.apply(x).add(second.apply(z)))
    for (let i = 0; i < 4; i++) {
      await expect(step(indices(0), indices(4 + i)).data()).rejects.toMatchObject(outOfRange('gather', 'second', 4 + i))
      await expect(step(indices(4 + i), indices(0)).data()).rejects.toMatchObject(outOfRange('gather', 'first', 4 + i))
      expect((await step(indices(0), indices(3)).data()).length).toBe(2)
    }
    step.dispose()
  })

  test('in fit and predict, after which the model still trains', async () => {
    const model = sequential([new Lookup({ name: 'lookup' }), layers.flatten(), layers.dense({ units: 1, name: 'head' })])
    model.compile({ optimizer: 'sgd', loss: 'mse' })
    const y = zeros([8, 1])
    const options = { batchSize: 2, epochs: 2, verbose: 0 as const, shuffle: false }
    await expect(model.fit(indices(0, 1, 2, 3, 0, 1, 2, 11), y, options)).rejects.toMatchObject({
      layer: 'lookup',
      message: expect.stringMatching(/^\[(gather|scatterAdd)\] expected indices from 0 to 3, received 11 \(layer "lookup"\)$/)
    })
    await expect(model.predict(indices(5))).rejects.toMatchObject(outOfRange('gather', 'lookup', 5))
    await expect(model.predict(indices(0, 1, 6), { batchSize: 1 })).rejects.toMatchObject(outOfRange('gather', 'lookup', 6))
    await expect(model.evaluate(indices(7), zeros([1, 1]))).rejects.toMatchObject(outOfRange('gather', 'lookup', 7))
    await expect(model.testOnBatch(indices(8), zeros([1, 1]))).rejects.toMatchObject(outOfRange('gather', 'lookup', 8))
    const indexError = { code: 'ArgumentError', layer: 'lookup', message: expect.stringMatching(/received 9 /) }
    await expect(model.trainOnBatch(indices(9), zeros([1, 1]))).rejects.toMatchObject(indexError)
    // predictOnBatch does not wait: whoever reads is told.
    await expect(model.predictOnBatch(indices(4)).data()).rejects.toMatchObject(outOfRange('gather', 'lookup', 4))
    const { history } = await model.fit(indices(0, 1, 2, 3, 0, 1, 2, 3), y, options)
    expect(history.loss!.every(Number.isFinite)).toBe(true)
    model.dispose()
  })

  test('at once: a shape that does not fit, memory that is not there', async () => {
    class Broken extends Layer {
      override call(x: Tensor): Tensor {
        return x.matmul(zeros([5, 2]))
      }
    }
    expect(() => new Broken({ name: 'broken' }).apply(zeros([2, 4]))).toThrow(ShapeError)
    expect(() => new Broken({ name: 'broken' }).apply(zeros([2, 4]))).toThrow(/^\[matmul\] .* \(layer "broken"\)$/)
    class Huge extends Layer {
      override call(x: Tensor): Tensor {
        return ops.tile(x, [1e6, 1e6])
      }
    }
    expect(() => new Huge({ name: 'huge' }).apply(zeros([1, 1]))).toThrow(
      expect.objectContaining({ code: 'OutOfMemoryError', layer: 'huge', message: expect.stringMatching(/^\[tile\] .* \(layer "huge"\)$/) })
    )
    await synchronize()
  })

  test('with the debug switch, where it was submitted', async () => {
    const layer = new Lookup({ name: 'rows' })
    layer.build([null, 1])
    const [good, bad] = [indices(1), indices(8)]
    const before = memory().tensors
    native.setDebugSync(true)
    try {
      expect(() => scope(() => layer.apply(bad))).toThrow(expect.objectContaining(outOfRange('gather', 'rows', 8)))
      scope(() => expect(layer.apply(good).dataSync().length).toBe(2))
    } finally {
      native.setDebugSync(false)
    }
    expect(memory().tensors).toBe(before)
    // It has been told.
    await synchronize()
  })

  const onCuda = device.type === 'cuda' ? test : test.skip
  /** A layer that the launcher of CUDA refuses. */
  class Refused extends Layer {
    override call(x: Tensor): Tensor {
      return run('sqrt', [x.cast('bool')], { shape: x.shape, dtype: 'bool' }).cast(x.dtype)
    }
  }

  onCuda('a launcher that refuses a step: the promise of the run rejects, and only that', async () => {
    const bad = sequential([new Refused({ name: 'refused', inputShape: [2] }), layers.dense({ units: 1 })])
    const good = sequential([layers.dense({ units: 1, inputShape: [2] })])
    for (const model of [bad, good]) model.compile({ optimizer: 'sgd', loss: 'mse' })
    const [x, y] = [zeros([6, 2]), zeros([6, 1])]
    const expected = { code: 'DeviceError', layer: 'refused' }
    for (let i = 0; i < 2; i++) {
      const options = { batchSize: 2, verbose: 0 as const }
      const [one, other] = await Promise.allSettled([bad.fit(x, y, options), good.fit(x, y, options)])
      expect(one).toMatchObject({ status: 'rejected', reason: expected })
      expect(other.status).toBe('fulfilled')
      await expect(bad.evaluate(x, y, { batchSize: 2 })).rejects.toMatchObject(expected)
      await expect(bad.predict(x)).rejects.toMatchObject(expected)
      await expect(bad.predict(x, { batchSize: 2 })).rejects.toMatchObject(expected)
      await expect(bad.trainOnBatch(x, y)).rejects.toMatchObject(expected)
      await expect(bad.testOnBatch(x, y)).rejects.toMatchObject(expected)
    }
    // All of it has been told.
    await synchronize()
    for (const model of [bad, good]) model.dispose()
  })

  onCuda('an empty result has nothing of what failed in its memory before, and all of what its operands failed with', async () => {
    const x = tensor([true, false])
    const bad = run('sqrt', [x], { shape: [2], dtype: 'bool' })
    await expect(bad.data()).rejects.toThrow('[sqrt]')
    await expect(bad.slice([0], [0]).data()).rejects.toThrow('[sqrt]')
    bad.dispose()
    for (let i = 0; i < 3; i++) expect([...(await zeros([0]).data())]).toEqual([])
    await expect(synchronize()).rejects.toThrow('[sqrt]')
  })

  onCuda('what a launcher refuses, eagerly and in replays', async () => {
    const layer = new Refused({ name: 'refused' })
    const x = tensor([true, false])
    const expected = { code: 'DeviceError', message: '[sqrt] sqrt has no CUDA kernel for bool (layer "refused")' }
    await expect(layer.apply(x).data()).rejects.toMatchObject(expected)
    const step = capture((t: Tensor) => layer.apply(t))
    for (let i = 0; i < 3; i++) await expect(step(x).data()).rejects.toMatchObject(expected)
    step.dispose()
    // The same failure once more, for those who read nothing.
    await expect(synchronize()).rejects.toMatchObject(expected)
  })
})
