// Small networks trained for ten batches, against Keras: penalties, sample weights, loss, gradients and optimizer together; from the
// probabilities and from the logits, eager and captured, through layers and through a model.
import {
  capture,
  type Layer,
  layers,
  losses,
  optimizers,
  regularizers,
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

const cases = (goldens as unknown as NetworkGolden[]).map((golden) => [`${golden.loss} ${golden.optimizer}`, golden] as const)
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
  })
})
