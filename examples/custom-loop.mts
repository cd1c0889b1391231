// Training without `fit`: a step of one's own, from forward pass to update, captured once and replayed.
import { capture, layers, losses, optimizers, random, sequential, setRandomSeed, type Tensor, tensor, valueAndGrad } from 'neurite'

setRandomSeed(1)

// Two spirals, which a line cannot separate: points (n, 2) with labels (n, 1).
const n = 512
const points = Array.from({ length: n }, (_, i) => {
  const [arm, t] = [i % 2, (3 * Math.PI * i) / n]
  const sign = arm === 0 ? 1 : -1
  return [(sign * t * Math.cos(t)) / 9, (sign * t * Math.sin(t)) / 9]
})
const x = tensor(points).add(random.normal([n, 2], { stddev: 0.01 }))
const y = tensor(points.map((_, i) => [i % 2]))

const model = sequential([
  layers.dense({ units: 64, activation: 'tanh', inputShape: [2] }),
  layers.dense({ units: 64, activation: 'tanh' }),
  layers.dense({ units: 1 })
])
const optimizer = optimizers.adam({ learningRate: 0.01 })
const loss = losses.binaryCrossentropy({ fromLogits: true })

/** One step on all points: returns loss and accuracy before the update. */
const step = capture((x: Tensor, y: Tensor): [Tensor, Tensor] => {
  const variables = model.trainableVariables
  const { value, aux, grads } = valueAndGrad(() => {
    const logits = model.apply(x, { training: true })
    return [loss(y, logits), logits] as const
  }, variables)
  optimizer.apply(grads, variables)
  const right = aux[0].greater(0).cast('float32').equal(y)
  return [value, right.cast('float32').mean()]
})

for (let i = 1; i <= 1000; i++) {
  const [value, accuracy] = step(x, y)
  // Only these reads wait for the device; the steps in between are on their way meanwhile.
  if (i % 100 === 0) {
    console.log(`step ${String(i).padStart(4)}: loss ${(await value.item()).toFixed(4)}, accuracy ${(await accuracy.item()).toFixed(3)}`)
  }
  value.dispose()
  accuracy.dispose()
}
