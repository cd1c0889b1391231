// LeNet-5 learns handwritten digits; its filters, what they make of a digit, and the images that excite them are drawn.
import { join } from 'node:path'
import { datasets, layers, ops, random, sequential, setRandomSeed, type Tensor, visualize } from 'neurite'
import { options } from './support/options.mjs'
import { drawPicture, printTable } from './support/terminal.mjs'

const { numbers, folder } = options('lenet', { epochs: 3, samples: 60_000 })
setRandomSeed(1)
const { train, test } = await datasets.mnist()
const first = (t: Tensor, count: number): Tensor => t.slice(Array(t.rank).fill(0), [Math.min(count, t.shape[0]!), ...t.shape.slice(1)])
const images = (t: Tensor): Tensor => t.expandDims(-1)

// LeCun et al. 1998, with rectified units and max-pooling in the place of tanh and averages.
const lenet = sequential([
  layers.rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
  layers.conv2d({ filters: 6, kernelSize: 5, padding: 'same', activation: 'relu', name: 'conv1' }),
  layers.maxPooling2d({ name: 'pool1' }),
  layers.conv2d({ filters: 16, kernelSize: 5, activation: 'relu', name: 'conv2' }),
  layers.maxPooling2d({ name: 'pool2' }),
  layers.flatten(),
  layers.dense({ units: 120, activation: 'relu' }),
  layers.dense({ units: 84, activation: 'relu' }),
  layers.dense({ units: 10, activation: 'softmax', name: 'classes' })
])
lenet.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
lenet.summary()
const [x, y] = [first(images(train.x), numbers.samples), first(train.y, numbers.samples)]
await lenet.fit(x, y, { epochs: numbers.epochs, batchSize: 128, validationSplit: 0.1 })

const { accuracy } = await lenet.evaluate(images(test.x), test.y, { batchSize: 1000 })
console.log(`\nOf the ${test.x.shape[0]} digits of the test set, ${(100 * accuracy!).toFixed(2)} % are recognised.`)
const [labels, taken] = [await test.y.data(), await (await lenet.predict(images(test.x), { batchSize: 1000 })).argmax(-1).data()]
printTable([
  ['digit', 'recognised', 'otherwise most often taken for'],
  ...Array.from({ length: 10 }, (_, digit) => {
    const all = [...labels.keys()].filter((i) => labels[i] === digit)
    const counts = Array.from({ length: 10 }, (_, other) => all.filter((i) => taken[i] === other).length)
    const wrong = counts.map((count, other) => (other === digit ? 0 : count))
    const most = wrong.indexOf(Math.max(...wrong))
    return [String(digit), `${((100 * counts[digit]!) / all.length).toFixed(1)} %`, `${most} (${wrong[most]} of ${all.length})`]
  })
])

/** Draws a picture here, and a larger one into a file. */
async function draw(title: string, name: string, small: Tensor, large: Tensor): Promise<void> {
  const file = join(folder, `${name}.png`)
  await visualize.writePng(file, large)
  await drawPicture(`${title} (${file})`, small)
}

const conv1 = lenet.getLayer('conv1')
const grey = { padValue: 0 }
await draw(
  'The six filters of conv1',
  'filters',
  visualize.filters(conv1, { ...grey, columns: 6, zoom: 2 }),
  visualize.filters(conv1, { zoom: 16 })
)

const digit = images(first(test.x, 1))
for (const name of ['conv1', 'conv2']) {
  const drawn = (zoom: number): Tensor =>
    visualize.activations(lenet, digit, { ...grey, layers: [name], columns: name === 'conv1' ? 3 : 8, zoom })[name]!
  await draw(`What ${name} makes of a ${labels[0]}`, `activations-${name}`, drawn(1), drawn(4))
}

const some = images(first(test.x, 4))
const saliency = (zoom: number): Tensor =>
  visualize.grid(ops.concat([some.cast('float32'), visualize.saliency(lenet, some)]), { ...grey, columns: 4, zoom })
await draw('Digits, and below which pixels decide what they are taken for', 'saliency', saliency(1), saliency(4))

for (const [name, size] of [
  ['conv1', 5],
  ['conv2', 14]
] as const) {
  const filters = Array.from({ length: name === 'conv1' ? 6 : 16 }, (_, i) => i)
  // Noise of all brightnesses makes most filters fire a little somewhere, so that there is a gradient to follow.
  const initial = random.uniform([filters.length, 28, 28, 1], { maxval: 255 })
  const excited = await visualize.maximizeActivation(lenet, name, filters, { range: [0, 255], blur: 0.4, l2Decay: 0.02, initial })
  const drawn = (zoom: number, count: number): Tensor =>
    visualize.grid(first(excited, count), { ...grey, columns: Math.min(count, 8), zoom })
  await draw(
    `What excites filters of ${name} most, each of which sees ${size} × ${size} pixels`,
    `excited-${name}`,
    drawn(1, 3),
    drawn(4, filters.length)
  )
}
console.log(
  [
    '',
    'The filters of conv2 prefer larger and more involved shapes than those of conv1: deeper filters see more and combine what earlier',
    'ones found. (Where only grey clouds are left, the filter fires nowhere on the noise that the ascent begins with.)'
  ].join('\n')
)
