// The demo: a dense network learns handwritten digits, shows some with what it takes them for, and is saved. Run by `npm run demo`.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callbacks, datasets, devices, layers, sequential, setRandomSeed } from 'neurite'

for (const { name, usable, description, capability, reason } of devices()) {
  console.log(usable ? `${name}: ${description} (${capability})` : `${name}: not usable, ${reason}`)
}

setRandomSeed(1)
const { train, test } = await datasets.mnist()

const model = sequential([
  layers.rescaling({ scale: 1 / 255, inputShape: [28, 28] }),
  layers.flatten(),
  layers.dense({ units: 512, activation: 'relu' }),
  layers.dropout({ rate: 0.2 }),
  layers.dense({ units: 512, activation: 'relu' }),
  layers.dropout({ rate: 0.2 }),
  layers.dense({ units: 10, activation: 'softmax' })
])
model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
model.summary()

await model.fit(train.x, train.y, {
  epochs: 5,
  batchSize: 128,
  validationSplit: 0.1,
  callbacks: [callbacks.earlyStopping({ patience: 2, restoreBestWeights: true })]
})
const { accuracy } = await model.evaluate(test.x, test.y, { batchSize: 1000 })
console.log(`\nOf the ${test.x.shape[0]} digits of the test set, ${(100 * accuracy!).toFixed(2)} % are recognised.`)

const probabilities = await model.predict(test.x, { batchSize: 1000 })
const [images, labels, predictions] = await Promise.all([test.x.data(), test.y.data(), probabilities.argmax(-1).data()])
const all = Array.from(labels, (_, i) => i)
draw('Some of them:', all.slice(0, 5))
draw('Some that it got wrong:', all.filter((i) => predictions[i] !== labels[i]).slice(0, 5))

const file = join(tmpdir(), 'neurite-mnist.safetensors')
await model.save(file)
console.log(`\nThe model is saved: loadModel('${file}') brings it back.`)

/** Draws digits side by side, two rows of pixels in one line of text, with what they are taken for below. */
function draw(title: string, indices: number[]): void {
  console.log(`\n${title}`)
  const shade = (i: number, y: number, x: number) => (images[(i * 28 + y) * 28 + x]! > 100 ? 1 : 0)
  for (let y = 2; y < 26; y += 2) {
    const line = (i: number) => Array.from({ length: 24 }, (_, x) => ' ▀▄█'[shade(i, y, x + 2) + 2 * shade(i, y + 1, x + 2)]).join('')
    console.log(indices.map(line).join(' '))
  }
  const caption = (i: number) => (predictions[i] === labels[i] ? `${labels[i]}` : `${labels[i]}, taken for ${predictions[i]}`)
  console.log(indices.map((i) => caption(i).padEnd(24)).join(' '))
}
