// Optimizers against Keras over five steps with every option; captured against eager; state, schedules, errors.
import {
  ArgumentError,
  capture,
  DTypeError,
  layers,
  memory,
  optimizers,
  ShapeError,
  scope,
  type Tensor,
  tensor,
  type Variable,
  variable,
  zeros
} from '../../lib'
import type { Serialized } from '../../lib/serialization'
import goldens from '../goldens/optimizers.golden.json'
import { collected } from '../support/collected'
import { expectClose, expectCloseNumbers, fromGolden, type GoldenArray } from '../support/golden'
import { onEveryDevice } from '../support/op-suite'

interface OptimizerGolden {
  optimizer: string
  options: Record<string, unknown>
  start: GoldenArray[]
  steps: { gradients: GoldenArray[]; variables: GoldenArray[] }[]
  weights: (GoldenArray & { name: string })[]
}

const factory = (name: string) => optimizers[name as 'sgd'] as (options?: object) => optimizers.Optimizer
const cases = (goldens as unknown as OptimizerGolden[]).map(
  (golden) => [`${golden.optimizer} ${JSON.stringify(golden.options)}`, golden] as const
)

function variables(golden: OptimizerGolden): Variable[] {
  return scope(() => golden.start.map((start, i) => variable(fromGolden(start), { name: ['kernel', 'bias'][i] })))
}

/** The variables after each step. */
async function run(
  golden: OptimizerGolden,
  captured: boolean
): Promise<{ steps: number[][][]; optimizer: optimizers.Optimizer; variables: Variable[] }> {
  const optimizer = factory(golden.optimizer)(golden.options)
  const vars = variables(golden)
  const step = (a: Tensor, b: Tensor): void => optimizer.apply([a, b], vars)
  const program = captured ? capture(step) : undefined
  const steps: number[][][] = []
  for (const { gradients } of golden.steps) {
    scope(() => (program ?? step)(fromGolden(gradients[0]!), fromGolden(gradients[1]!)))
    steps.push(await Promise.all(vars.map(async (v) => [...(await v.data())])))
  }
  program?.dispose()
  return { steps, optimizer, variables: vars }
}

describe('optimizers', () => {
  onEveryDevice((device) => {
    test.each(cases)('%s', async (title, golden) => {
      await collected()
      const { tensors } = memory()
      const eager = await run(golden, false)
      for (const [i, { variables: expected }] of golden.steps.entries()) {
        for (const [j, v] of expected.entries()) {
          expectCloseNumbers(eager.steps[i]![j]!, v.values.map(Number), `${device.name} ${title}: variable ${j} after step ${i}`, 2e-6)
        }
      }
      const { weights } = eager.optimizer
      expect(weights.map(({ name }) => name)).toEqual(golden.weights.map(({ name }) => name))
      for (const [i, w] of golden.weights.entries())
        if (i >= 2) await expectClose(weights[i]!, w, `${device.name} ${title}: ${w.name}`, 2e-6)
      expect(eager.optimizer.iterations).toBe(5)

      const captured = await run(golden, true)
      expect(captured.steps).toEqual(eager.steps)

      const written = JSON.parse(JSON.stringify(optimizers.serialize(eager.optimizer))) as Serialized
      expect(JSON.parse(JSON.stringify(optimizers.serialize(optimizers.get(written))))).toEqual(written)
      for (const { optimizer, variables: vars } of [eager, captured]) {
        optimizer.dispose()
        for (const v of vars) v.dispose()
      }
      expect(memory().tensors).toBe(tensors)
    })

    test('a state that is taken over goes on as if nothing had been', async () => {
      const golden = cases.find(([title]) => title.startsWith('adam {"learningRate":0.05,"amsgrad"'))![1]
      const first = factory('adam')(golden.options)
      const second = factory('adam')(golden.options)
      const vars = variables(golden)
      for (const [i, { gradients }] of golden.steps.entries()) {
        if (i === 3) {
          second.build(vars)
          for (const [k, w] of second.weights.entries()) w.assign(first.weights[k]!)
        }
        scope(() =>
          (i < 3 ? first : second).apply(
            gradients.map((g) => fromGolden(g)),
            vars
          )
        )
      }
      for (const [j, v] of golden.steps[4]!.variables.entries()) await expectClose(vars[j]!, v, `variable ${j}`, 2e-6)
    })

    test('gradients in bfloat16', async () => {
      using optimizer = optimizers.sgd({ learningRate: 0.5 })
      using w = variable([1, 2])
      optimizer.apply([tensor([2, -4], [2], { dtype: 'bfloat16' })], [w])
      expect([...(await w.data())]).toEqual([0, 4])
    })

    test('a rate that is set counts from the next step on, also when captured', async () => {
      using optimizer = optimizers.sgd({ learningRate: 1 })
      using w = variable([0])
      const step = capture(() => scope(() => optimizer.apply([tensor([1])], [w])))
      const seen: number[] = []
      for (const rate of [1, 0.5, 0.25, 0.125]) {
        optimizer.learningRate = rate
        expect(optimizer.learningRate).toBe(rate)
        step()
        seen.push((await w.data())[0]!)
      }
      expect(seen).toEqual([-1, -1.5, -1.75, -1.875])
      step.dispose()
    })

    test('a schedule of the step runs on the device', async () => {
      function halving(step: Tensor): Tensor {
        return tensor(0.5).pow(step)
      }
      using optimizer = optimizers.sgd({ learningRate: halving })
      using w = variable([0])
      const step = capture(() => scope(() => optimizer.apply([tensor([1])], [w])))
      expect(optimizer.learningRate).toBe(1)
      const seen: number[] = []
      for (let i = 0; i < 4; i++) {
        step()
        seen.push((await w.data())[0]!)
      }
      expect(seen).toEqual([-1, -1.5, -1.75, -1.875])
      expect(optimizer.learningRate).toBe(0.0625)
      expect(() => {
        optimizer.learningRate = 1
      }).toThrow('[sgd] expected no new learningRate, since the rate follows a schedule')
      expect(optimizer.getConfig().learningRate).toEqual({ function: 'halving' })
      step.dispose()
    })

    test('weight decay leaves excluded variables alone', async () => {
      using optimizer = optimizers.sgd({ learningRate: 0.5, weightDecay: 0.5 })
      using kernel = variable([4])
      using bias = variable([4])
      optimizer.excludeFromWeightDecay([bias])
      optimizer.apply([tensor([1]), tensor([1])], [kernel, bias])
      expect([await kernel.item(), await bias.item()]).toEqual([2.5, 3.5])
    })

    test('averages replace the weights every so many steps, and at the end', async () => {
      using optimizer = optimizers.sgd({ learningRate: 1, useEma: true, emaMomentum: 0.5, emaOverwriteFrequency: 3 })
      using w = variable([0])
      const seen: number[] = []
      for (let i = 0; i < 4; i++) {
        scope(() => optimizer.apply([tensor([1])], [w]))
        seen.push(await w.item())
      }
      // Averages: -1, -1.5, -2.25 (written to w), -2.75.
      expect(seen).toEqual([-1, -2, -2.25, -3.25])
      optimizer.finalizeVariableValues([w])
      expect(await w.item()).toBe(-2.75)
    })
  })
})

test('options are constants of captured steps: setting one is an error', () => {
  using w = variable([1, 2])
  const given: [optimizers.Optimizer, string, unknown][] = [
    [optimizers.sgd({ momentum: 0.5 }), 'momentum', 0.5],
    [optimizers.adam(), 'beta1', 0.9],
    [optimizers.adamW(), 'weightDecay', 0.004],
    [optimizers.rmsprop(), 'clipnorm', undefined]
  ]
  for (const [optimizer, name, value] of given) {
    optimizer.apply([zeros([2])], [w])
    const set = () => Reflect.set(optimizer, name, 0.25)
    expect(set).toThrow(`[${optimizer.kind}] expected ${name} to stay ${value}, received 0.25: make a new one with that option`)
    expect(optimizer.getConfig()[name]).toBe(value ?? null)
    optimizer.learningRate = 0.5
    expect(optimizer.learningRate).toBe(0.5)
  }
  const dropout = layers.dropout({ rate: 0.5 })
  dropout.apply(w)
  expect(() => Reflect.set(dropout, 'rate', 0)).toThrow('[dropout] expected rate to stay 0.5, received 0')
  expect(dropout.getConfig()).toMatchObject({ rate: 0.5 })
})

test('an optimizer is found by name', () => {
  expect(optimizers.get('adamW').getConfig()).toMatchObject({ weightDecay: 0.004, beta2: 0.999, epsilon: 1e-7, learningRate: 0.001 })
  expect(optimizers.get('sgd').learningRate).toBe(0.01)
  expect(() => optimizers.get('adamm' as 'adam')).toThrow("unknown optimizer 'adamm': did you mean 'adam'?")
})

test('options and calls that are wrong', () => {
  const w = variable([1, 2])
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => optimizers.sgd({ learningRate: Number.NaN }),
      '[sgd] expected learningRate to be a finite number of at least 0, received NaN'
    ],
    [ArgumentError, () => optimizers.sgd({ learning_rate: 1 } as object), '[sgd] expected the option learningRate, received learning_rate'],
    [
      ArgumentError,
      () => optimizers.sgd({ momentum: 2 }),
      '[sgd] expected momentum to be a finite number of at least 0 and at most 1, received 2'
    ],
    [
      ArgumentError,
      () => optimizers.adam({ beta1: 1 }),
      '[adam] expected beta1 to be a finite number of at least 0 and less than 1, received 1'
    ],
    [ArgumentError, () => optimizers.adam({ clipnorm: 1, clipvalue: 1 }), 'expected at most one of clipnorm, clipvalue and globalClipnorm'],
    [
      ArgumentError,
      () => optimizers.rmsprop({ clipnorm: -1 }),
      '[rmsprop] expected clipnorm to be a finite number greater than 0, received -1'
    ],
    [ArgumentError, () => optimizers.sgd().apply([zeros([2])], []), '[sgd] expected as many gradients as variables, received 1 and 0'],
    [ShapeError, () => optimizers.sgd().apply([zeros([3])], [w]), '[sgd] expected the gradient of variable to be [2], received [3]'],
    [ArgumentError, () => optimizers.sgd().apply([zeros([2])], [zeros([2]) as Variable]), 'expected variables, received Tensor at 0'],
    [
      DTypeError,
      () => optimizers.sgd().apply([zeros([2], { dtype: 'uint8' })], [w]),
      '[sgd] expected a float gradient of variable, received uint8: use cast'
    ],
    [
      ArgumentError,
      () => optimizers.sgd().apply([undefined as never], [w]),
      '[sgd] expected the gradient of variable to be a tensor, received undefined'
    ],
    [ArgumentError, () => optimizers.sgd().apply([zeros([2])], [undefined as never]), '[sgd] expected variables, received undefined at 0']
  ]
  for (const [Type, call, message] of bad) {
    expect(call).toThrow(Type)
    expect(call).toThrow(message)
  }
  const optimizer = optimizers.adam()
  expect(() => {
    optimizer.learningRate = -1
  }).toThrow('[adam] expected learningRate to be a finite number of at least 0, received -1')
  w.dispose()
})
