// What people write by habit from other libraries: each message says what was expected and what came, and where it can, what is meant.
import { layers, losses, metrics, ops, optimizers, random, sequential, type Tensor, tensor, zeros } from '../../lib'

// biome-ignore lint/suspicious/noExplicitAny: what a caller without types may write
type Any = any

const network = () =>
  sequential([
    layers.conv2d({ name: 'first', filters: 2, kernelSize: 3, inputShape: [8, 8, 1] }),
    layers.maxPooling2d({ poolSize: 2 }),
    layers.flatten(),
    layers.dense({ units: 3, activation: 'softmax' })
  ])
const compiled = (loss: Any) => {
  const net = network()
  net.compile({ optimizer: 'sgd', loss })
  return net
}
const x = random.uniform([4, 8, 8, 1])
const labels = tensor([0, 1, 2, 0], [4], { dtype: 'int32' })
const rows = ops.oneHot(labels, 3)
const quiet = { verbose: 0 } as const

const mistakes: [what: string, run: () => unknown, name: string, message: string][] = [
  [
    'one-hot rows with a sparse loss',
    () => compiled('sparseCategoricalCrossentropy').fit(x, rows, quiet),
    'ShapeError',
    '[sparseCategoricalCrossentropy] expected yTrue to hold class numbers of shape [4] for yPred of shape [4, 3], received [4, 3]: ' +
      'one-hot rows are for categorical losses and metrics, not sparse ones'
  ],
  [
    'class numbers with a loss for rows',
    () => compiled('categoricalCrossentropy').fit(x, labels, quiet),
    'ShapeError',
    '[categoricalCrossentropy] expected yTrue to have the shape of yPred, [4, 3], received [4]: class numbers are for sparseCategoricalCrossentropy'
  ],
  [
    'images of another size, of which a network makes the same number of features',
    () => network().predict(zeros([4, 9, 9, 1])),
    'ShapeError',
    'expected the input of layer "first" to be [null, 8, 8, 1], received [4, 9, 9, 1]'
  ],
  [
    'one sample without a batch',
    () => network().predict(zeros([8, 8, 1])),
    'ShapeError',
    'expected the input of layer "first" to be [null, 8, 8, 1], received [8, 8, 1]: one sample is a batch of one'
  ],
  [
    'a factory of losses in place of a loss',
    () => compiled(losses.huber),
    'ArgumentError',
    '[compile] expected a loss, received what makes one: call it, as in huber()'
  ],
  [
    'a class of losses in place of a loss',
    () => compiled(losses.MeanSquaredError),
    'ArgumentError',
    '[compile] expected a loss, received what makes one: call it, as in meanSquaredError()'
  ],
  [
    'a factory of metrics in place of a metric',
    () => network().compile({ loss: 'mse', metrics: [metrics.binaryAccuracy as Any] }),
    'ArgumentError',
    '[compile] expected a metric, received what makes one: call it, as in binaryAccuracy()'
  ],
  [
    'a loss that gives a number',
    () =>
      compiled(function flat() {
        return 3
      }).fit(x, rows, quiet),
    'ArgumentError',
    '[flat] expected the loss function to return a tensor, received 3'
  ],
  [
    'a metric that gives a number',
    () => {
      const net = network()
      net.compile({
        loss: 'mse',
        metrics: [
          function half() {
            return 0.5
          } as Any
        ]
      })
      return net.fit(x, rows, quiet)
    },
    'ArgumentError',
    '[half] expected the metric function to return a tensor, received 0.5'
  ],
  [
    'layers as arguments',
    () => (sequential as Any)(layers.flatten(), layers.dense({ units: 1 })),
    'ArgumentError',
    '[sequential] expected an array of layers, received Flatten'
  ],
  [
    'options in place of a shape',
    () => (tensor as Any)([1], { dtype: 'int32' }),
    'ArgumentError',
    '[tensor] expected a shape (an array of sizes), received Object: options come third, as in tensor(values, undefined, { dtype })'
  ],
  ['sizes as arguments', () => (zeros as Any)(2, 3), 'ArgumentError', '[zeros] expected a shape (an array of sizes), received 2'],
  [
    'sizes of random numbers as arguments',
    () => (random.normal as Any)(2, 3),
    'ArgumentError',
    '[normal] expected a shape (an array of sizes), received 2'
  ],
  [
    'the short name of the rate',
    () => optimizers.adam({ lr: 0.1 } as object),
    'ArgumentError',
    "[adam] unknown option 'lr': did you mean 'learningRate'?"
  ],
  [
    'an initializer that there is not',
    () => layers.dense({ units: 1, kernelInitializer: 'xavier' as 'zeros' }),
    'ArgumentError',
    "unknown initializer 'xavier': expected one of 'zeros', 'ones', "
  ]
]
test.each(mistakes)('%s', async (_, run, name, message) => {
  await expect((async () => run())()).rejects.toMatchObject({ name, message: expect.stringContaining(message) })
})

test("a function of one's own may have the name of a loss, and sizes that are null vary", async () => {
  const net = sequential([layers.globalAveragePooling2d({ inputShape: [null, null, 3] })])
  net.compile({
    optimizer: 'sgd',
    loss: function huber(yTrue: Tensor, yPred: Tensor) {
      return yPred.sub(yTrue).square().mean(-1)
    }
  })
  expect(await net.evaluate(zeros([2, 5, 7, 3]), zeros([2, 3]), quiet)).toEqual({ loss: 0 })
})
