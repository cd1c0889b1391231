// Ops whose gradient is an op of its own, differentiated twice: against central differences of the first gradient, on every device.
import { ops, scope, type Tensor, tensor, valueAndGrad } from '../../lib'
import { onEveryDevice } from '../support/op-suite'
import { numbers, sizeOf } from '../support/reference'

interface Function {
  f: (...inputs: Tensor[]) => Tensor
  shapes: readonly (readonly number[])[]
}

const image = [2, 4, 4, 6]
const channels = [6]
const labels = (): Tensor => tensor(Int32Array.of(0, 3, 1), [3])

const functions: Record<string, Function> = {
  batchNormTraining: { f: (x, gamma, beta) => ops.batchNormTraining(x!, { gamma, beta })[0], shapes: [image, channels, channels] },
  'batchNormTraining with relu and residual': {
    f: (x, gamma, beta, residual) => ops.batchNormTraining(x!, { gamma, beta, residual, activation: 'relu' })[0],
    shapes: [image, channels, channels, image]
  },
  'batchNormTraining whose residual is x': { f: (x) => ops.batchNormTraining(x!, { residual: x })[0], shapes: [image] },
  batchNorm: {
    f: (x, mean, variance, gamma) => ops.batchNorm(x!, mean!, variance!.square().add(0.5), { gamma }),
    shapes: [image, channels, channels, channels]
  },
  groupNorm: { f: (x, gamma, beta) => ops.groupNorm(x!, 3, { gamma, beta }), shapes: [image, channels, channels] },
  layerNorm: { f: (x, gamma, beta) => ops.layerNorm(x!, -1, { gamma, beta }), shapes: [[5, 6], channels, channels] },
  'layerNorm over two axes': { f: (x) => ops.layerNorm(x!, [1, 2]), shapes: [[2, 3, 4, 2]] },
  rmsNorm: { f: (x, gamma) => ops.rmsNorm(x!, -1, { gamma }), shapes: [[5, 6], channels] },
  unitNorm: { f: (x) => ops.unitNorm(x!), shapes: [[5, 6]] },
  maxPool: { f: (x) => ops.maxPool(x!, { poolSize: 2 }).square(), shapes: [image] },
  'maxPool with overlapping, padded windows': {
    f: (x) => ops.maxPool(x!, { poolSize: [3, 2], strides: [2, 1], padding: 'same' }).square(),
    shapes: [[2, 5, 4, 3]]
  },
  adaptiveMaxPool: { f: (x) => ops.adaptiveMaxPool(x!, [2, 3]).square(), shapes: [[2, 5, 7, 3]] },
  'adaptiveMaxPool to more windows than there are elements': { f: (x) => ops.adaptiveMaxPool(x!, 7).square(), shapes: [[2, 5, 3]] },
  'adaptiveMaxPool of volumes': { f: (x) => ops.adaptiveMaxPool(x!, [2, 1, 2]).square(), shapes: [[1, 3, 4, 5, 2]] },
  prod: { f: (x) => ops.prod(x!, 1).square(), shapes: [[3, 5, 4]] },
  'prod over two axes': { f: (x) => ops.prod(x!, [0, 2]), shapes: [[3, 5, 2]] },
  'prod of one factor': { f: (x) => ops.prod(x!, 1).square(), shapes: [[6, 1]] },
  'maxPool in one dimension': { f: (x) => ops.maxPool(x!, { poolSize: 3 }).square(), shapes: [[2, 7, 3]] },
  softmaxCrossEntropy: {
    f: (x, z) => ops.softmaxCrossEntropy(x!, z!),
    shapes: [
      [3, 5],
      [3, 5]
    ]
  },
  sparseSoftmaxCrossEntropy: { f: (x) => ops.sparseSoftmaxCrossEntropy(x!, labels()), shapes: [[3, 5]] },
  sigmoidCrossEntropy: {
    f: (x, z) => ops.sigmoidCrossEntropy(x!, z!),
    shapes: [
      [3, 5],
      [3, 5]
    ]
  },
  ...Object.fromEntries(
    (['erf', 'softplus', 'softsign', 'selu', 'silu', 'hardSigmoid', 'elu', 'gelu', 'tanh', 'sigmoid'] as const).map((name) => [
      name,
      { f: (x: Tensor) => ops[name](x).square(), shapes: [[24]] }
    ])
  ),
  'gelu by tanh': { f: (x) => ops.gelu(x!, { approximate: true }).square(), shapes: [[24]] }
}

onEveryDevice(() => {
  test.each(Object.entries(functions))('%s', async (_, { f, shapes }) => {
    const next = numbers(7)
    const draw = (shape: readonly number[]): number[] => Array.from({ length: sizeOf(shape) }, () => 2 * next() - 1)
    const values = shapes.map(draw)
    const weights = draw([64])
    const make = (): Tensor[] => values.map((v, i) => tensor(Float32Array.from(v), shapes[i]!))
    const first = (inputs: Tensor[]): Tensor[] =>
      valueAndGrad(() => {
        const y = f(...inputs)
        return y
          .mul(
            tensor(
              Float32Array.from({ length: y.size }, (__, i) => weights[i % 64]!),
              y.shape
            )
          )
          .sum()
      }, inputs).grads
    /** The sum of squares of the first gradients, from kernels of their own. */
    const squares = async (): Promise<number> => {
      const inputs = make()
      let total = 0
      for (const g of first(inputs)) {
        for (const v of await g.data()) total += v * v
        g.dispose()
      }
      for (const x of inputs) x.dispose()
      return total
    }
    const inputs = make()
    const { value, grads } = valueAndGrad(
      () => first(inputs).reduce((sum: Tensor | undefined, g) => (sum ? sum.add(g.square().sum()) : g.square().sum()), undefined)!,
      inputs
    )
    expect(await value.item()).toBeCloseTo(await squares(), 3)
    const received = await Promise.all(grads.map(async (g) => [...(await g.data())]))
    const scale = Math.max(...received.flat().map(Math.abs))
    expect(scale).toBeGreaterThan(1e-3)
    const step = 1 / 256
    for (const [i, list] of values.entries()) {
      for (let k = 0; k < list.length; k += Math.ceil(list.length / 8)) {
        const before = list[k]!
        list[k] = before + step
        const above = await squares()
        list[k] = before - step
        const below = await squares()
        list[k] = before
        const error = Math.abs(received[i]![k]! - (above - below) / (2 * step)) / scale
        if (!(error < 0.02)) throw new Error(`input ${i}, element ${k}: ${received[i]![k]} instead of ${(above - below) / (2 * step)}`)
      }
    }
    for (const t of [value, ...grads, ...inputs]) t.dispose()
  })

  test('a product with factors that are 0', async () => {
    using x = tensor([
      [0, 2, 3],
      [0, 0, 3],
      [1, 2, 3]
    ])
    const first = (): Tensor => valueAndGrad(() => x.prod(1).sum(), [x]).grads[0]!
    const rows = [
      [6, 0, 0],
      [0, 0, 0],
      [6, 3, 2]
    ]
    using plain = first()
    expect(await plain.array()).toEqual(rows)
    // The sum of all first derivatives: each row has Σ of the other two factors but one.
    const { value, grads } = valueAndGrad(() => first().sum(), [x])
    expect(await value.item()).toBe(17)
    expect(await grads[0]!.array()).toEqual([
      [5, 3, 2],
      [3, 3, 0],
      [5, 4, 3]
    ])
    for (const t of [value, ...grads]) t.dispose()
  })

  test('a product of nothing', () => {
    scope(() => {
      const x = tensor([], [2, 0])
      const { grads } = valueAndGrad(() => valueAndGrad(() => x.prod(1).sum(), [x]).grads[0]!.sum(), [x])
      expect(grads[0]!.shape).toEqual([2, 0])
    })
  })
})
