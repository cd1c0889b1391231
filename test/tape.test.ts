// valueAndGrad: what flows, what does not, higher derivatives, and what is left behind.
import { capture, memory, ops, random, ShapeError, scope, stopGradient, type Tensor, tensor, valueAndGrad, variable } from '../lib'
import { collected } from './support/collected'
import { onEveryDevice } from './support/op-suite'

const numbers = async (t: { data(): Promise<ArrayLike<number>> }): Promise<number[]> => Array.from(await t.data())

onEveryDevice(() => {
  test('value, gradients and auxiliary results', async () => {
    const [x, w, b] = [
      tensor([
        [1, 2],
        [3, 4]
      ]),
      variable(tensor([[1], [-1]])),
      variable(tensor([0.5]))
    ]
    const { value, grads, aux } = valueAndGrad(() => {
      const y = x.matmul(w).add(b)
      return [y.square().mean(), y, 'text'] as const
    }, [w, b])
    // y = (-0.5, -0.5): mean y² = 0.25, d/dy = y.
    expect(await value.item()).toBe(0.25)
    expect([await numbers(grads[0]!), await numbers(grads[1]!)]).toEqual([[-2, -3], [-1]])
    expect([await numbers(aux[0]), aux[1]]).toEqual([[-0.5, -0.5], 'text'])
  })

  test('zeros where nothing flows: unused, stopped, integer and stepwise paths', async () => {
    const [a, b, c] = [variable(tensor([1, 2])), variable(tensor([3, 4])), variable(tensor([5.5, 6.5]))]
    const { grads } = valueAndGrad(() => ops.add(stopGradient(a).mul(2), c.floor()).add(c.cast('int32').cast('float32')).sum(), [a, b, c])
    for (const g of grads) expect(await numbers(g)).toEqual([0, 0])
  })

  test('a value that is a variable, or none of the variables', async () => {
    const v = variable(tensor(3))
    const { value, grads } = valueAndGrad(() => v, [v])
    expect([await value.item(), await grads[0]!.item()]).toEqual([3, 1])
    value.dispose()
    expect(await v.item()).toBe(3)
    const constant = valueAndGrad(() => tensor(1).add(1), [v])
    expect(await constant.grads[0]!.item()).toBe(0)
  })

  test('a tensor used twice, a variable listed twice, gradients that are one tensor', async () => {
    const [a, b] = [variable(tensor([2, 3])), variable(tensor([4, 5]))]
    const { grads } = valueAndGrad(() => a.mul(a).add(a).add(b).sum(), [a, b, a])
    expect(await Promise.all(grads.map(numbers))).toEqual([
      [5, 7],
      [1, 1],
      [5, 7]
    ])
    grads[0]!.dispose()
    expect(await numbers(grads[2]!)).toEqual([5, 7])
  })

  test('second derivatives by nesting', async () => {
    const x = variable(tensor([0.5, -1, 2]))
    const slope = (f: () => ReturnType<typeof ops.sum>) => valueAndGrad(() => valueAndGrad(f, [x]).grads[0]!.sum(), [x]).grads[0]!
    const near = (received: number[], expected: number[]) => {
      for (const [i, v] of received.entries()) expect(v).toBeCloseTo(expected[i]!, 4)
    }
    near(await numbers(slope(() => x.mul(x).mul(x).sum())), [3, -6, 12])
    near(await numbers(slope(() => x.exp().sum())), [0.5, -1, 2].map(Math.exp))
    near(
      await numbers(slope(() => x.tanh().sum())),
      [0.5, -1, 2].map((v) => -2 * Math.tanh(v) * (1 - Math.tanh(v) ** 2))
    )
    const s = (v: number) => 1 / (1 + Math.exp(-v))
    near(
      await numbers(slope(() => x.sigmoid().sum())),
      [0.5, -1, 2].map((v) => s(v) * (1 - s(v)) * (1 - 2 * s(v)))
    )
    near(await numbers(slope(() => x.relu().square().sum())), [2, 0, 2])
    near(await numbers(slope(() => x.variance())), [0, 0, 0])
  })

  test('second derivatives of a convolution whose gradient is added to another', async () => {
    const [w, x] = [random.normal([2, 2, 3, 3]), variable(random.normal([1, 4, 4, 3]))]
    const same = variable(x)
    const loss = (a: Tensor, b: Tensor) => ops.conv(a, w).square().sum().add(b.square().mul(b).sum())
    // Of the squared gradient: once with one tensor for both uses, once with two that are the same.
    const together = valueAndGrad(
      () =>
        valueAndGrad(() => loss(x, x), [x])
          .grads[0]!.square()
          .sum(),
      [x]
    ).grads
    const apart = valueAndGrad(() => {
      const [a, b] = valueAndGrad(() => loss(x, same), [x, same]).grads
      return a!.add(b!).square().sum()
    }, [x, same]).grads
    const [received, expected] = [await numbers(together[0]!), await numbers(apart[0]!.add(apart[1]!))]
    const scale = Math.max(...expected.map(Math.abs))
    for (const [i, value] of expected.entries()) expect(Math.abs(received[i]! - value) / scale).toBeLessThan(1e-5)
  })

  test('a fused activation passes NaN on, also where its gradient is differentiated', async () => {
    const [x, w] = [variable(tensor([[Number.NaN], [-1], [2]])), variable(tensor([[3]]))]
    const images = variable(x.reshape([3, 1, 1, 1]))
    const kernel = variable(tensor([3], [1, 1, 1, 1]))
    for (const activation of ['relu', 'sigmoid', 'tanh'] as const) {
      const product = () => ops.matmul(x, w, { activation }).sum()
      const convolution = () => ops.conv(images, kernel, { activation }).sum()
      for (const [loss, v] of [
        [product, x],
        [convolution, images]
      ] as const) {
        const once = valueAndGrad(loss, [v]).grads[0]!
        const watched = valueAndGrad(() => {
          const grad = valueAndGrad(loss, [v]).grads[0]!
          return [grad.square().sum(), grad]
        }, [v])
        const expected = await numbers(once)
        expect(expected.map(Number.isNaN)).toEqual([true, false, false])
        const [nan, ...others] = await numbers(watched.aux[0]!)
        expect(nan).toBeNaN()
        for (const [i, value] of others.entries()) expect(value).toBeCloseTo(expected[i + 1]!, 5)
      }
    }
  })

  test('second derivatives of softmax against differences', async () => {
    const at = [0.3, -0.2, 0.9]
    const w = tensor([1, -2, 0.5])
    const inner = (values: number[]) => {
      const e = values.map(Math.exp)
      const total = e.reduce((a, b) => a + b)
      const y = e.map((v) => v / total)
      const dot = y.reduce((a, v, i) => a + v * [1, -2, 0.5][i]!, 0)
      return y.reduce((a, v, i) => a + (v * ([1, -2, 0.5][i]! - dot)) ** 2, 0)
    }
    const x = variable(tensor(at))
    const { grads } = valueAndGrad(
      () =>
        valueAndGrad(() => x.softmax().mul(w).sum(), [x])
          .grads[0]!.square()
          .sum(),
      [x]
    )
    const received = await numbers(grads[0]!)
    at.forEach((_, i) => {
      const [up, down] = [1e-5, -1e-5].map((h) => inner(at.map((v, j) => (i === j ? v + h : v))))
      expect(received[i]).toBeCloseTo((up! - down!) / 2e-5, 4)
    })
  })

  test('what fails in a gradient of a gradient leaves nothing', async () => {
    const x = variable(tensor([1, 2]))
    await collected()
    const before = memory().tensors
    expect(() => valueAndGrad(() => valueAndGrad(() => x.prod(), [x]).grads[0]!.add(tensor([1, 2, 3])), [x])).toThrow(ShapeError)
    expect(memory().tensors).toBe(before)
  })

  test('float32 variables through bfloat16 compute', async () => {
    const w = variable(tensor([[1], [2]]))
    const { grads } = valueAndGrad(
      () =>
        tensor([[3, 4]])
          .cast('bfloat16')
          .matmul(w.cast('bfloat16'))
          .cast('float32')
          .sum(),
      [w]
    )
    expect([grads[0]!.dtype, await numbers(grads[0]!)]).toEqual(['float32', [3, 4]])
  })

  test('tensors that fn disposes of are still there for the gradient', async () => {
    const w = variable(tensor([2]))
    const { grads } = valueAndGrad(() => {
      const square = w.mul(w)
      const cube = square.mul(w)
      square.dispose()
      const result = cube.sum()
      cube.dispose()
      return result
    }, [w])
    expect(await numbers(grads[0]!)).toEqual([12])
  })

  test('a variable that is assigned to while it is watched: an error if a gradient needs its old value', async () => {
    const v = variable(tensor([2]), { name: 'v' })
    const squared = (assign: boolean) => () => {
      const y = v.mul(v)
      if (assign) v.assign([5])
      return y.sum()
    }
    await collected()
    const before = memory().tensors
    expect(() => valueAndGrad(squared(true), [v])).toThrow(
      '[mul] a gradient needs the value of v from before it was written in place: assign to it outside of the function that is differentiated'
    )
    expect(memory().tensors).toBe(before)
    expect(await numbers(valueAndGrad(squared(false), [v]).grads[0]!)).toEqual([10])
    // The gradient of a sum needs no value, and what is computed after the assignment has the new one.
    const { grads } = valueAndGrad(() => {
      const y = v.add(1)
      v.assign([3])
      return y.add(v.mul(v)).sum()
    }, [v])
    expect(await numbers(grads[0]!)).toEqual([7])
    // An update after the walk is nobody's business, in every later step either.
    const step = capture(() => {
      const { value, grads } = valueAndGrad(() => v.mul(v).sum(), [v])
      v.assign(v.sub(grads[0]!.mul(0.25)))
      return value
    })
    const values = []
    for (let i = 0; i < 4; i++) values.push(await step().item())
    expect(values).toEqual([9, 2.25, 0.5625, 0.140625])
  })

  test('gradients flow through nested scopes', async () => {
    const w = variable(tensor([3]))
    const { grads } = valueAndGrad(() => scope(() => scope(() => w.mul(w)).mul(w)).sum(), [w])
    expect(await numbers(grads[0]!)).toEqual([27])
  })

  test('nothing is left behind, also after an error', async () => {
    const [w, x] = [variable(random.normal([5, 3])), random.normal([4, 5])]
    await collected()
    const before = memory().tensors
    for (let i = 0; i < 3; i++) {
      const { value, grads } = valueAndGrad(() => x.matmul(w, { activation: 'tanh' }).softmax().log().mean(), [w])
      expect(memory().tensors).toBe(before + 2)
      value.dispose()
      grads[0]!.dispose()
      expect(() =>
        valueAndGrad(() => {
          x.matmul(w).relu()
          throw new RangeError('mine')
        }, [w])
      ).toThrow('mine')
      expect(() => valueAndGrad(() => x.matmul(w), [w])).toThrow(
        '[valueAndGrad] expected the function to return a scalar, received shape [4, 3]: take its mean or sum'
      )
    }
    expect(memory().tensors).toBe(before)
    // A later tape does not see marks of earlier ones.
    const { grads } = valueAndGrad(() => w.sum(), [w])
    expect(await numbers(grads[0]!)).toEqual(new Array(15).fill(1))
  })

  test('dropout draws the same mask for its gradient', async () => {
    const x = variable(tensor(new Float32Array(1000).fill(1)))
    const { aux, grads } = valueAndGrad(() => {
      const y = random.dropout(x, 0.4)
      return [y.sum(), y]
    }, [x])
    expect(await numbers(grads[0]!)).toEqual(await numbers(aux[0]))
  })
})

test.each([
  [
    'a promise',
    () => valueAndGrad((async () => tensor(1)) as never, []),
    '[valueAndGrad] expected a function that returns a tensor, received one that returns a promise'
  ],
  [
    'no array of variables',
    () => valueAndGrad(() => tensor(1), tensor(1) as never),
    '[valueAndGrad] expected an array of variables, received Tensor'
  ],
  [
    'integer variables',
    () => valueAndGrad(() => tensor(1), [tensor([1], [1], { dtype: 'int32' })]),
    '[valueAndGrad] expected float variables, received int32 at 0'
  ],
  [
    'an integer result',
    () => valueAndGrad(() => tensor(1, [], { dtype: 'int32' }), []),
    '[valueAndGrad] expected the function to return a float scalar, received int32'
  ]
] as const)('refuses %s', (_what, run, message) => {
  expect(run).toThrow(message)
})
