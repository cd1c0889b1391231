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
      expectCloseNumbers(received, rates, `${device.name} ${title}`, 1e-7)
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
    [
      () => make('cosineDecay', { decaySteps: 3 }),
      '[cosineDecay] expected initialLearningRate to be a finite number of at least 0, received undefined'
    ],
    [
      () => make('cosineDecay', { initialLearningRate: 0.1, decaySteps: 3, warmupSteps: 0.5 }),
      '[cosineDecay] expected warmupSteps to be an integer of at least 0, received 0.5'
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
