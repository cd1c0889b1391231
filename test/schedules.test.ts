// Learning rate schedules against Keras, in captured steps, and written and read again.
import { ArgumentError, capture, optimizers, schedules, scope, tensor, variable } from '../lib'
import goldens from './goldens/schedules.golden.json'
import { expectCloseNumbers } from './support/golden'
import { onEveryDevice } from './support/op-suite'

const make = (schedule: string, options: object) => schedules[schedule as 'cosineDecay'](options as schedules.CosineDecayOptions)

onEveryDevice((device) => {
  test.each(goldens.map((golden) => [`${golden.schedule} ${JSON.stringify(golden.options)}`, golden] as const))(
    '%s',
    async (title, { schedule, options, steps, rates }) => {
      using first = optimizers.sgd({ learningRate: make(schedule, options) })
      using optimizer = optimizers.get(JSON.parse(JSON.stringify(optimizers.serialize(first))))
      expect(optimizer.getConfig()).toEqual(first.getConfig())
      const received: number[] = []
      for (const step of steps) {
        optimizer.iterations = step
        received.push(optimizer.learningRate)
      }
      // Keras computes in float32 too, where a rate may be off by a few of its last digits.
      expectCloseNumbers(received, rates, `${device.name} ${title}`, 5e-7)
    }
  )

  test.each(goldens.map((golden) => [`${golden.schedule} ${JSON.stringify(golden.options)}`, golden] as const))(
    'captured steps follow %s',
    async (title, { schedule, options, steps, rates }) => {
      using optimizer = optimizers.sgd({ learningRate: make(schedule, options) })
      using w = variable([0])
      const step = capture(() => scope(() => optimizer.apply([tensor([-1])], [w])))
      const received: number[] = []
      for (let i = 0; i < 16; i++) {
        w.assign([0])
        step()
        received.push((await w.data())[0]!)
      }
      const seen = steps.filter((at) => at < 16)
      expectCloseNumbers(
        seen.map((at) => received[at]!),
        rates.slice(0, seen.length),
        `${device.name} ${title}`,
        5e-7
      )
      step.dispose()
    }
  )

  test('a captured step follows the schedule', async () => {
    const schedule = schedules.cosineDecay({ initialLearningRate: 0.5, decaySteps: 4 })
    using optimizer = optimizers.sgd({ learningRate: schedule })
    using w = variable([0])
    const step = capture(() => scope(() => optimizer.apply([tensor([1])], [w])))
    const seen: number[] = []
    const expected: number[] = []
    for (let i = 0, sum = 0; i < 6; i++) {
      step()
      seen.push((await w.data())[0]!)
      sum -= 0.25 * (1 + Math.cos((Math.PI * Math.min(i, 4)) / 4))
      expected.push(sum)
    }
    expectCloseNumbers(seen, expected, `${device.name} w`, 1e-6)
    step.dispose()
  })
})

test('errors name the option and what it may be', () => {
  const bad: [() => unknown, string][] = [
    [
      () => make('cosineDecay', { initialLearningRate: 0.1, decaySteps: 0 }),
      '[cosineDecay] expected decaySteps to be a finite number greater than 0, received 0'
    ],
    [() => make('cosineDecay', { decaySteps: 3 }), '[cosineDecay] expected the option initialLearningRate, received undefined'],
    [
      () => make('cosineDecay', { initialLearningRate: 0.1, decaySteps: 3, warmupSteps: 0.5 }),
      '[cosineDecay] expected warmupSteps to be an integer of at least 0, received 0.5'
    ],
    ...['exponentialDecay', 'inverseTimeDecay'].flatMap((kind): typeof bad => [
      [
        () => make(kind, { initialLearningRate: 0.1, decaySteps: -1, decayRate: 0.5 }),
        `[${kind}] expected decaySteps to be a finite number greater than 0, received -1`
      ],
      [
        () => make(kind, { initialLearningRate: 0.1, decaySteps: 1, decayRate: Number.NaN }),
        `[${kind}] expected decayRate to be a finite number of at least 0, received NaN`
      ],
      [
        () => make(kind, { initialLearningRate: 0.1, decaySteps: 1, decayRate: 1, staircase: 1 }),
        `[${kind}] expected staircase to be true or false, received 1`
      ]
    ]),
    [
      () => make('polynomialDecay', { initialLearningRate: 0.1, decaySteps: 5, power: 0 }),
      '[polynomialDecay] expected power to be a finite number greater than 0, received 0'
    ],
    [
      () => make('polynomialDecay', { initialLearningRate: 0.1, decaySteps: 5, end_learning_rate: 0 }),
      '[polynomialDecay] expected the option endLearningRate, received end_learning_rate'
    ],
    [
      () => make('cosineDecayRestarts', { initialLearningRate: 0.1, firstDecaySteps: 5, tMul: 0.5 }),
      '[cosineDecayRestarts] expected tMul to be a finite number of at least 1, received 0.5'
    ],
    [
      () => make('piecewiseConstantDecay', { boundaries: [], values: [1] }),
      '[piecewiseConstantDecay] expected boundaries to be a list of at least one number, received []'
    ],
    [
      () => make('piecewiseConstantDecay', { boundaries: [2, 2], values: [1, 2, 3] }),
      '[piecewiseConstantDecay] expected boundaries that grow, received [2, 2]'
    ],
    [
      () => make('piecewiseConstantDecay', { boundaries: [2, 3], values: [1, 2] }),
      '[piecewiseConstantDecay] expected one value more than the 2 boundaries, received 2'
    ],
    [
      () => optimizers.sgd({ learningRate: 'fast' as unknown as number }),
      '[sgd] expected learningRate to be a finite number of at least 0, received "fast"'
    ]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ArgumentError)
    expect(run).toThrow(message)
  }
})
