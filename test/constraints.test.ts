// Constraints: their formulas, names and configs, in a step of an optimizer and in a model that is trained and saved. Layers with
// constraints stand against Keras in the layer suites.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ArgumentError,
  capture,
  constraints,
  layers,
  loadModel,
  optimizers,
  random,
  scope,
  sequential,
  type Tensor,
  tensor,
  variable,
  zeros
} from '../lib'
import type { Serialized } from '../lib/serialization'
import { expectCloseNumbers } from './support/golden'
import { onEveryDevice } from './support/op-suite'

// Columns of lengths 5, 0.5 and 0.
const matrix = [
  [3, 0.3, 0],
  [-4, 0.4, 0]
]
const cases: [what: string, constraint: () => constraints.Constraint, expected: number[]][] = [
  ['maxNorm', () => constraints.maxNorm(), [1.2, 0.3, 0, -1.6, 0.4, 0]],
  ['maxNorm as a number', () => constraints.maxNorm(1), [0.6, 0.3, 0, -0.8, 0.4, 0]],
  ['maxNorm along rows', () => constraints.maxNorm({ maxValue: 1, axis: 1 }), [0.99504, 0.099504, 0, -0.99504, 0.099504, 0]],
  ['maxNorm along both', () => constraints.maxNorm({ maxValue: 1, axis: [0, 1] }), [0.597022, 0.0597022, 0, -0.79603, 0.079603, 0]],
  ['minMaxNorm', () => constraints.minMaxNorm({ minValue: 0.8 }), [0.6, 0.48, 0, -0.8, 0.64, 0]],
  ['minMaxNorm of a rate', () => constraints.minMaxNorm({ rate: 0.5 }), [1.8, 0.3, 0, -2.4, 0.4, 0]],
  ['nonNeg', () => constraints.nonNeg(), [3, 0.3, 0, 0, 0.4, 0]],
  ['unitNorm', () => constraints.unitNorm(), [0.6, 0.6, 0, -0.8, 0.8, 0]]
]

/** Halves negative elements. */
function lenient(w: Tensor): Tensor {
  return w.maximum(w.mul(0.5))
}

onEveryDevice((device) => {
  test.each(cases)('%s', async (what, make, expected) => {
    const constraint = make()
    using w = tensor(matrix)
    using y = constraint.constrain(w)
    expectCloseNumbers([...(await y.data())], expected, `${device.name} ${what}`, 1e-5)
    const again = constraints.get(JSON.parse(JSON.stringify(constraints.serialize(constraint))) as Serialized)!
    expect(again.constructor).toBe(constraint.constructor)
    expect(again.getConfig()).toEqual(constraint.getConfig())
  })

  test('an optimizer brings variables back after each update, captured as eager', async () => {
    for (const isCaptured of [false, true]) {
      using optimizer = optimizers.adam({ learningRate: 1 })
      using held = variable([0.5, 3], { constraint: constraints.get('nonNeg') })
      using free = variable([0.5, 3])
      const step = () => scope(() => optimizer.apply([tensor([1, 1]), tensor([1, 1])], [held, free]))
      const captured = isCaptured ? capture(step) : undefined
      for (let i = 0; i < 3; i++) (captured ?? step)()
      captured?.dispose()
      const [bounded, other] = [[...(await held.data())], [...(await free.data())]]
      expect(bounded[0]).toBe(0)
      expect([other[0], bounded[1], other[1]].map((v) => Number(v!.toFixed(4)))).toEqual([-2.5, 0, 0])
    }
  })

  test('a model holds its weights to their constraints, also after it was loaded', async () => {
    using net = sequential([
      layers.dense({ units: 4, inputShape: [3], kernelConstraint: constraints.maxNorm(0.3), biasConstraint: lenient }),
      layers.dense({ units: 1, kernelConstraint: 'nonNeg' })
    ])
    net.compile({ optimizer: optimizers.sgd({ learningRate: 0.1 }), loss: 'mse' })
    const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
    await net.save(join(folder, 'net.safetensors'))
    await expect(loadModel(join(folder, 'net.safetensors'))).rejects.toThrow(/constraint lenient.*customObjects/)
    using again = await loadModel(join(folder, 'net.safetensors'), { customObjects: { lenient } })
    rmSync(folder, { recursive: true })
    for (const model of [net, again]) {
      await model.fit(random.normal([32, 3]), random.normal([32, 1]), { epochs: 3, batchSize: 8, verbose: 0 })
      const [kernel, , last] = model.weights
      const lengths = await kernel!.square().sum(0).sqrt().data()
      for (const length of lengths) expect(length).toBeLessThan(0.3 + 1e-5)
      expect((await last!.data()).every((v) => v >= 0)).toBe(true)
    }
  })
})

test('a name, none, and what is wrong', () => {
  expect(constraints.get('unitNorm')!.getConfig()).toEqual({ axis: 0 })
  expect([constraints.get(null), constraints.serialize(undefined)]).toEqual([undefined, undefined])
  const bad: [() => unknown, string][] = [
    [() => constraints.get('max_norm' as 'maxNorm'), "unknown constraint 'max_norm': the name is 'maxNorm'"],
    [() => constraints.get(3 as never), 'expected a constraint (a name, an object or a function), received 3'],
    [() => constraints.maxNorm(-1), '[maxNorm] expected maxValue to be a finite number of at least 0, received -1'],
    [() => constraints.unitNorm({ axis: 0.5 }), '[unitNorm] expected axis to be an integer or a list of integers, received 0.5'],
    [() => constraints.minMaxNorm({ minValue: 2 }), '[minMaxNorm] expected maxValue to be a finite number of at least 2, received 1'],
    [() => constraints.minMaxNorm({ rate: 2 }), '[minMaxNorm] expected rate to be a finite number of at least 0 and at most 1, received 2'],
    [() => layers.conv2d({ filters: 1, kernelSize: 1, kernelConstraint: 'maxnorm' as 'maxNorm' }), "did you mean 'maxNorm'?"]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ArgumentError)
    expect(run).toThrow(message)
  }
  using w = zeros([2, 2])
  expect(() => constraints.maxNorm({ axis: 4 }).constrain(w)).toThrow('expected axis in [-2, 1], received axis 4')
})
