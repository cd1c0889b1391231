// Calls that TypeScript would not let through, as JavaScript makes them: each is one error of a known class that says where, what and why.
import {
  datasets,
  layers,
  losses,
  metrics,
  NeuriteError,
  ops,
  random,
  scope,
  sequential,
  type Tensor,
  tensor,
  variable,
  zeros
} from '../lib'

const x = tensor([[1, 2]])
const deep = zeros([1, 1, 1, 1, 1, 1, 1, 1])
const train = (classWeight: Record<number, number>) => {
  const model = sequential([layers.dense({ units: 1, inputShape: [2] })])
  model.compile({ loss: 'mse' })
  return model.fit(x, zeros([1, 1]), { classWeight, verbose: 0 })
}

test.each<[string, (nothing: never) => unknown, string, string]>([
  ['expandDims', () => ops.expandDims(deep, 0), 'ShapeError', '[expandDims] expected a result of at most 8 dimensions, received 9'],
  ['stack', () => ops.stack([deep]), 'ShapeError', '[stack] expected a result of at most 8 dimensions, received 9'],
  ['tile', () => ops.tile(x, [1, 1, 1, 1, 1, 1, 1, 1, 2]), 'ShapeError', '[tile] expected a result of at most 8 dimensions, received 9'],
  ['transpose', () => ops.transpose(x, 0 as never), 'ArgumentError', '[transpose] expected axes to be an array, received 0'],
  [
    'split',
    (nothing) => ops.split(x, nothing),
    'ArgumentError',
    '[split] expected a number of parts or an array of indices, received undefined'
  ],
  ['split', () => ops.split(x, [0.5]), 'ArgumentError', '[split] expected a number of parts or an array of indices, received [0.5]'],
  [
    'broadcastTo',
    (nothing) => ops.broadcastTo(x, nothing),
    'ArgumentError',
    '[broadcastTo] expected a shape (an array of sizes), received undefined'
  ],
  // biome-ignore lint/suspicious/noSparseArray: that is the mistake
  ['concat', () => ops.concat([x, , x] as Tensor[]), 'ArgumentError', '[concat] expected tensor 1 to be a tensor, received undefined'],
  [
    'permutation',
    () => random.permutation(2 ** 40),
    'ArgumentError',
    '[permutation] expected n to be an integer and not negative, less than 2^31, received 1099511627776'
  ],
  ['integers', (nothing) => random.integers([2], nothing), 'ArgumentError', '[integers] expected the option maxval, received undefined'],
  [
    'variable',
    () => variable([1], { constraint: 'nonNeg' as never }),
    'ArgumentError',
    '[variable] expected constraint to be one of constraints, received "nonNeg"'
  ],
  ['scope', () => scope(3 as never), 'ArgumentError', '[scope] expected a function, received 3'],
  ['a loss', (nothing) => losses.huber()(x, nothing), 'ArgumentError', '[huber] expected yPred to be a tensor, received undefined'],
  [
    'a metric',
    (nothing) => metrics.meanAbsoluteError().update(x, nothing),
    'ArgumentError',
    '[meanAbsoluteError] expected yPred to be a tensor, received undefined'
  ],
  [
    'classWeight',
    () => train({ 1e12: 2 }),
    'ArgumentError',
    '[fit] expected classWeight by class numbers from 0 to 16777216, received the key 1000000000000'
  ],
  ['mnist', () => datasets.mnist({ folder: 5 as never }), 'ArgumentError', '[datasets.mnist] expected folder to be a path, received 5']
])('%s', async (_name, call, code, message) => {
  const error = await (async () => call(undefined as never))().then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  expect(error).toBeInstanceOf(NeuriteError)
  expect(error).toMatchObject({ code, message })
})
