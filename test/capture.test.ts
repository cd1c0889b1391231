// capture: bit for bit what the function does, new results every call, and everything that is refused.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  capture,
  layers,
  memory,
  metrics,
  ops,
  random,
  scope,
  sequential,
  setPrecision,
  setRandomSeed,
  synchronize,
  Tensor,
  tensor,
  type Variable,
  valueAndGrad,
  variable,
  zeros
} from '../lib'
import * as training from '../lib/ops/training'
import { collected } from './support/collected'
import { onEveryDevice } from './support/op-suite'

onEveryDevice(() => {
  test('results are values: a later call does not change them', async () => {
    const twice = capture((t: Tensor) => ops.add(t, t))
    const all = [1, 2, 3, 4, 5].map((v) => scope(() => twice(tensor([v]))))
    expect(await Promise.all(all.map((t) => t.item()))).toEqual([2, 4, 6, 8, 10])
    expect(new Set(all).size).toBe(5)
  })

  test('a whole training step, bit for bit as eager, with momentum, dropout and random input', async () => {
    const run = async (captured: boolean) => {
      setRandomSeed(5)
      const w = variable(random.normal([7, 3], { stddev: 0.1 }))
      const [m, rate, iterations] = [variable(zeros([7, 3])), variable(tensor([0.1])), variable(tensor([0], [1], { dtype: 'int32' }))]
      const eager = (x: Tensor): Tensor => {
        const noisy = random.dropout(x.add(random.normal(x.shape)), 0.3)
        const { value, grads } = valueAndGrad(() => noisy.matmul(w, { activation: 'tanh' }).square().mean(), [w])
        training.sgd(
          { learningRate: rate, iterations, squaredNorms: null, groups: [[w, grads[0]!, m]], weightDecay: 0, clip: 'none', clipLimit: 0 },
          { momentum: 0.9, nesterov: false }
        )
        training.increment(iterations, 1)
        return value
      }
      const step = captured ? capture(eager) : eager
      const losses: number[] = []
      for (let i = 0; i < 12; i++) {
        const loss = scope(() => step(random.normal([33, 7])))
        losses.push(await loss.item())
        loss.dispose()
      }
      return [losses, [...w.dataSync()], [...m.dataSync()], await iterations.item()]
    }
    const [eager, captured] = [await run(false), await run(true)]
    expect(captured).toEqual(eager)
    expect(eager[3]).toBe(12)
    expect(new Set(eager[0] as number[]).size).toBe(12)
  })

  test('results that are arguments, closed-over tensors, variables, views, or one tensor twice are handles of their own', async () => {
    const [closed, v] = [tensor([7]), variable(tensor([8]))]
    const f = capture((x: Tensor) => {
      const y = x.add(1)
      return { x, closed, v, view: x.reshape([1, 1]), y, again: y, flat: y.reshape([1, 1]), n: 3 }
    })
    for (let i = 0; i < 4; i++) {
      const r = scope(() => f(tensor([i])))
      v.assign([20 + i])
      const tensors = [r.x, r.closed, r.v, r.view, r.y, r.again, r.flat]
      const received = await Promise.all(tensors.map((t) => t.item()))
      expect(received).toEqual([i, 7, i === 0 ? 8 : 19 + i, i, i + 1, i + 1, i + 1])
      expect([r.view.shape, r.flat.shape, r.n, new Set(tensors).size]).toEqual([[1, 1], [1, 1], 3, 7])
      for (const t of tensors) t.dispose()
      expect([closed.disposed, v.disposed]).toEqual([false, false])
    }
  })

  test('another shape, dtype, value or setting gets a program of its own', async () => {
    let runs = 0
    const f = capture((x: Tensor | Tensor[], factor?: number, options?: { plus?: number }) => {
      runs++
      const sum = x instanceof Tensor ? x : x.reduce((a, b) => a.add(b))
      return sum.mul(factor ?? 1).add(options?.plus ?? 0)
    })
    const call = async (...args: Parameters<typeof f>) => {
      const data = []
      for (let i = 0; i < 3; i++) data.push(...(await f(...args).data()))
      return [new Set(data).size, data[0]]
    }
    expect(await call(tensor([1]))).toEqual([1, 1])
    expect(runs).toBe(2)
    expect(await call(tensor([[2]]))).toEqual([1, 2])
    expect(await call(tensor([3], [1], { dtype: 'int32' }))).toEqual([1, 3])
    expect(await call(tensor([1]), 5)).toEqual([1, 5])
    expect(await call(tensor([1]), 5, { plus: 2 })).toEqual([1, 7])
    expect(await call([tensor([1]), tensor([2])])).toEqual([1, 3])
    expect(runs).toBe(12)
    expect(await call(tensor([4]))).toEqual([1, 4])
    expect(runs).toBe(12)
    setPrecision('high')
    setPrecision('highest')
    expect(await call(tensor([4]))).toEqual([1, 4])
    expect(runs).toBe(14)
  })

  test('bytes and functions among the arguments', async () => {
    const f = capture((bytes: Uint8Array, g: (x: number) => number) => tensor([g(bytes[0]!)]))
    const [twice, half] = [(x: number) => 2 * x, (x: number) => x / 2]
    for (let i = 0; i < 3; i++) {
      // Both are no text: they decode to the same replacement character.
      expect(await f(Buffer.from([0xfe]), twice).item()).toBe(508)
      expect(await f(Buffer.from([0xff]), twice).item()).toBe(510)
      expect(await f(Uint8Array.of(0xff), half).item()).toBe(127.5)
    }
  })

  test.each([
    ['Map', new Map([['a', 1]])],
    ['Date', new Date(0)],
    ['DataView', new DataView(new ArrayBuffer(1))],
    ['Dense', layers.dense({ units: 1 })]
  ])('an argument that is a %s is refused, in an array too', (name, value) => {
    const f = capture((_: unknown) => zeros([1]))
    for (const argument of [value, [{ value }]]) {
      expect(() => f(argument)).toThrow(
        '[capture] expected arguments that are tensors, numbers, booleans, strings, functions, or arrays and records of these, ' +
          `received ${name}, whose changes a replay could not see`
      )
    }
  })

  test('a variable among the arguments is written in place', async () => {
    const v = variable(tensor([0]))
    const f = capture((target: Variable, by: Tensor) => {
      target.assign(target.add(by))
      return target.mul(1)
    })
    const seen: number[] = []
    for (let i = 1; i <= 5; i++) seen.push(await scope(() => f(v, tensor([i]))).item())
    expect([seen, await v.item()]).toEqual([[1, 3, 6, 10, 15], 15])
  })

  test('numbers and host data inside are constants; closed-over tensors live as long as the program', async () => {
    const closed = tensor([10])
    const f = capture((x: Tensor) => x.add(tensor([5])).add(closed))
    for (let i = 0; i < 3; i++) expect(await scope(() => f(tensor([i]))).item()).toBe(15 + i)
    closed.dispose()
    expect(await scope(() => f(tensor([3]))).item()).toBe(18)
    f.dispose()
    expect(() => f(tensor([3]))).toThrow(expect.objectContaining({ name: 'DisposedError' }))
  })

  test('an error of the function goes through and discards the recording', async () => {
    let fail = false
    const f = capture((x: Tensor) => {
      const y = x.add(1)
      if (fail) throw new RangeError('mine')
      return y
    })
    const x = tensor([1])
    f(x).dispose()
    await collected()
    const before = memory().tensors
    fail = true
    expect(() => f(x)).toThrow('mine')
    fail = false
    expect(memory().tensors).toBe(before)
    for (let i = 0; i < 3; i++) expect(await scope(() => f(x).mul(1)).item()).toBe(2)
  })

  test('no tensors are left behind, with many shapes neither', async () => {
    const f = capture((x: Tensor) => x.mul(2).sum())
    await collected()
    const before = memory().tensors
    for (let n = 1; n < 40; n++) for (let i = 0; i < 3; i++) scope(() => void f(zeros([n])))
    expect(memory().tensors).toBe(before)
  })

  test.each([
    ['reading on the host', (x: Tensor) => x.dataSync()],
    ['data()', (x: Tensor) => void x.data()],
    ['item()', (x: Tensor) => void x.item()],
    ['array()', (x: Tensor) => void x.array()],
    ['an asynchronous function', async (x: Tensor) => x.add(1)],
    ['a function that returns a promise', (x: Tensor) => Promise.resolve(x.add(1))],
    ['another captured function', capture((x: Tensor) => capture((y: Tensor) => y.add(1))(x))],
    ['random numbers of the host', () => random.permutation(5)]
  ])('refuses %s from the first call on, and goes on working', async (what, fn) => {
    const f = what === 'another captured function' ? (fn as (x: Tensor) => unknown) : capture(fn as (x: Tensor) => unknown)
    const x = tensor([1])
    for (let i = 0; i < 2; i++) expect(() => f(x)).toThrow(expect.objectContaining({ name: 'CaptureError' }))
    expect(await x.add(1).item()).toBe(2)
  })

  test('refuses what takes a model through data or files, or waits, from the first call on', async () => {
    const model = sequential([layers.dense({ units: 1, inputShape: [2] })])
    model.compile({ loss: 'mse' })
    const [x, y] = [zeros([4, 2]), zeros([4, 1])]
    const file = join(tmpdir(), 'neurite-captured.safetensors')
    const metric = metrics.meanSquaredError()
    const forbidden = {
      fit: () => model.fit(x, y, { verbose: 0 }),
      evaluate: () => model.evaluate(x, y),
      predict: () => model.predict(x),
      trainOnBatch: () => model.trainOnBatch(x, y),
      testOnBatch: () => model.testOnBatch(x, y),
      save: () => model.save(file),
      saveWeights: () => model.saveWeights(file),
      loadWeights: () => model.loadWeights(file),
      'result()': () => metric.result(),
      'synchronize()': () => synchronize()
    }
    for (const [what, run] of Object.entries(forbidden)) {
      const f = capture(() => void run())
      for (let i = 0; i < 2; i++) expect(f).toThrow(`[capture] ${what} inside a captured function cannot be replayed`)
    }
    expect((await model.fit(x, y, { verbose: 0 })).epoch).toEqual([0])
  })

  test('refuses to be differentiated through', () => {
    const f = capture((x: Tensor) => x.sum())
    const v = variable(tensor([1]))
    expect(() => valueAndGrad(() => f(v), [v])).toThrow(
      '[capture] no gradient flows through a captured function: call valueAndGrad inside it'
    )
  })

  test('NEURITE_CHECK_CAPTURE compares each replay with eager, state too', async () => {
    process.env.NEURITE_CHECK_CAPTURE = '1'
    try {
      const v = variable(tensor([1]))
      let drift = 0
      const f = capture((x: Tensor) => {
        v.assign(v.add(x).add(drift))
        return v.mul(random.uniform([1]))
      })
      const x = tensor([1])
      for (let i = 0; i < 5; i++) f(x)
      expect(await v.item()).toBe(6)
      drift = 1
      expect(() => f(x)).toThrow(/\[capture\] the replay on .* differs from eager in state 0/)
    } finally {
      delete process.env.NEURITE_CHECK_CAPTURE
    }
  })
})

test('what is no function is refused', () => {
  expect(() => capture(3 as never)).toThrow('[capture] expected a function, received 3')
})
