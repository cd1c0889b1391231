// Small networks trained for some batches, against Keras. Dense ones: penalties, sample weights, loss, gradients and optimizer together; from
// the probabilities and from the logits, eager and captured, through layers and through a model. A convolutional one: batch normalisation,
// pooling and a residual block, fused and layer by layer.
import {
  capture,
  input,
  type Layer,
  layers,
  losses,
  model as modelOf,
  optimizers,
  regularizers,
  type SymbolicTensor,
  scope,
  sequential,
  setPolicy,
  setPrecision,
  type Tensor,
  valueAndGrad
} from '../../lib'
import goldens from '../goldens/networks.golden.json'
import { expectClose, expectCloseNumbers, fromGolden, type GoldenArray } from '../support/golden'
import { onEveryDevice } from '../support/op-suite'

interface NetworkGolden {
  loss: losses.LossName
  last: { units: number; activation: 'softmax' | 'sigmoid' | 'linear' }
  optimizer: optimizers.OptimizerName
  options: object
  start: GoldenArray[]
  batches: { x: GoldenArray; y: GoldenArray; sampleWeight: GoldenArray; loss: number }[]
  end: GoldenArray[]
}

/** Weights layer by layer, of those that have some. */
interface ResidualGolden {
  network: 'residual'
  start: GoldenArray[][]
  batches: { x: GoldenArray; y: GoldenArray; loss: number }[]
  end: GoldenArray[][]
  /** Of the last batch, with `end`. */
  predicted: GoldenArray
}

const isResidual = (golden: object): golden is ResidualGolden => 'network' in golden
const all = goldens as unknown as (NetworkGolden | ResidualGolden)[]
const cases = all.flatMap((golden) => (isResidual(golden) ? [] : [[`${golden.loss} ${golden.optimizer}`, golden] as const]))
const residual = all.find(isResidual)!
const optimizerOf = ({ optimizer, options }: NetworkGolden) => (optimizers[optimizer] as (options: object) => optimizers.Optimizer)(options)
const layersOf = ({ last }: NetworkGolden): Layer[] => [
  layers.dense({ units: 6, activation: 'tanh', kernelRegularizer: regularizers.l2(0.01), inputShape: [5] }),
  layers.leakyRelu(),
  layers.dense(last)
]

function batchesOf(golden: NetworkGolden): [x: Tensor, y: Tensor, sampleWeight: Tensor][] {
  const dtype = golden.loss.startsWith('sparse') ? 'int32' : 'float32'
  return golden.batches.map(({ x, y, sampleWeight }) => [fromGolden(x), fromGolden(y, dtype), fromGolden(sampleWeight)])
}

/** The network of the script's residual_case: its layers with weights, and itself. */
function residualNetwork() {
  const convolution = (options: object) => layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', ...options })
  const normalization = () => layers.batchNormalization({ momentum: 0.8 })
  const relu = () => layers.activation({ activation: 'relu' })
  const stem = [convolution({ useBias: false }), normalization(), relu(), layers.maxPooling2d()]
  const block = [convolution({}), normalization(), relu(), convolution({ useBias: false }), normalization()]
  const head = [
    convolution({ kernelSize: 2, padding: 'valid', activation: 'relu' }),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dense({ units: 3, activation: 'softmax' })
  ]
  const [sum, last] = [layers.add(), relu()]
  function draw<T extends Tensor | SymbolicTensor>(inputs: T, apply: (layer: Layer, x: T | T[]) => T): T {
    const through = (chain: readonly Layer[], x: T) => chain.reduce((t, layer) => apply(layer, t), x)
    const x = through(stem, inputs)
    return through(head, apply(last, apply(sum, [x, through(block, x)])))
  }
  const x = input({ shape: [9, 7, 3] })
  const model = modelOf({ inputs: x, outputs: draw<SymbolicTensor>(x, (layer, t) => layer.apply(t)) })
  const held = [...stem, ...block, ...head].filter((layer) => layer.weights.length > 0)
  for (const [i, layer] of held.entries()) layer.setWeights(residual.start[i]!.map((w) => fromGolden(w)))
  return { model, held, byLayer: (t: Tensor) => draw<Tensor>(t, (layer, u) => layer.apply(u, { training: true })) }
}

describe('networks', () => {
  beforeAll(() => setPrecision('highest'))
  onEveryDevice((device) => {
    const ways = [
      ['probabilities, eager', false, false],
      ['probabilities, captured', false, true],
      ['logits, eager', true, false],
      ['logits, captured', true, true]
    ] as const
    for (const [title, golden] of cases) {
      const loss = losses.get(golden.loss)
      test.each(ways.filter(([, logits]) => !logits || loss.logitsActivation))(`${title} from %s`, async (way, logits, isCaptured) => {
        const what = `${device.name} ${title} from ${way}`
        const [first, middle, last] = layersOf(golden) as [Layer, Layer, Layer]
        first.build([null, 5])
        last.build([null, 6])
        first.setWeights(golden.start.slice(0, 2).map((w) => fromGolden(w)))
        last.setWeights(golden.start.slice(2).map((w) => fromGolden(w)))
        const variables = [...first.trainableVariables, ...last.trainableVariables]
        const optimizer = optimizerOf(golden)
        const step = (x: Tensor, y: Tensor, sampleWeight: Tensor): Tensor =>
          scope(() => {
            const { value, grads } = valueAndGrad(() => {
              const hidden = middle.apply(first.apply(x))
              const data = logits
                ? loss.callFromLogits(y, last.applyLogits(hidden), sampleWeight)
                : loss(y, last.apply(hidden), sampleWeight)
              return first.losses.reduce((sum, penalty) => sum.add(penalty), data)
            }, variables)
            optimizer.apply(grads, variables)
            return value
          })
        const run = isCaptured ? capture(step) : step
        const received: number[] = []
        for (const batch of batchesOf(golden)) received.push(await run(...batch).item())
        expectCloseNumbers(
          received,
          golden.batches.map((b) => b.loss),
          `${what}: losses`,
          1e-5
        )
        for (const [i, w] of golden.end.entries()) await expectClose(variables[i]!, w, `${what}: weight ${i}`, 2e-5)
      })

      test.each([
        ['float32', 1e-5, 2e-5],
        ['mixed_bfloat16', 0.03, 0.08]
      ] as const)(`${title} as a model in %s`, async (policy, tolerance, weightTolerance) => {
        const what = `${device.name} ${title} in ${policy}`
        setPolicy(policy)
        const model = sequential(layersOf(golden))
        setPolicy('float32')
        model.setWeights(golden.start.map((w) => fromGolden(w)))
        model.compile({ optimizer: optimizerOf(golden), loss: golden.loss })
        const received: number[] = []
        for (const [x, y, sampleWeight] of batchesOf(golden)) received.push((await model.trainOnBatch(x, y, { sampleWeight })).loss!)
        const expected = golden.batches.map((b) => b.loss)
        expectCloseNumbers(received, expected, `${what}: losses`, tolerance)
        // In bfloat16 some loss must show its rounding, else it was not computed in it.
        expect(received.some((v, i) => Math.abs(v - expected[i]!) > 1e-5)).toBe(policy === 'mixed_bfloat16')
        for (const [i, w] of golden.end.entries()) await expectClose(model.weights[i]!, w, `${what}: weight ${i}`, weightTolerance)
        model.dispose()
      })
    }

    test.each([
      ['a model', true],
      ['layers one by one', false]
    ] as const)('convolutions, batch normalisation, pooling and a residual block as %s', async (way, whole) => {
      const what = `${device.name} residual network as ${way}`
      const { model, held, byLayer } = residualNetwork()
      const optimizer = optimizers.sgd({ learningRate: 0.05, momentum: 0.9 })
      model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' })
      const loss = losses.get('sparseCategoricalCrossentropy')
      const step = (x: Tensor, y: Tensor): Tensor =>
        scope(() => {
          const { value, grads } = valueAndGrad(() => loss(y, byLayer(x)), model.trainableVariables)
          optimizer.apply(grads, model.trainableVariables)
          return value
        })
      const received: number[] = []
      for (const golden of residual.batches) {
        const [x, y] = [fromGolden(golden.x), fromGolden(golden.y, 'int32')]
        received.push(whole ? (await model.trainOnBatch(x, y)).loss! : await step(x, y).item())
      }
      expectCloseNumbers(
        received,
        residual.batches.map((b) => b.loss),
        `${what}: losses`,
        1e-5
      )
      for (const [i, layer] of held.entries())
        for (const [k, w] of residual.end[i]!.entries()) await expectClose(layer.weights[k]!, w, `${what}: ${layer.weights[k]!.name}`, 5e-5)
      await expectClose(model.predictOnBatch(fromGolden(residual.batches.at(-1)!.x)), residual.predicted, `${what}: predicted`, 5e-5)
      model.dispose()
    })
  })
})
