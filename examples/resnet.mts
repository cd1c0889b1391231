// ResNet-20 on CIFAR-10; without a network (or with --data synthetic) on synthetic pictures of that shape. The model's graph is drawn too.
import { join } from 'node:path'
import {
  datasets,
  input,
  layers,
  losses,
  model,
  optimizers,
  plotModel,
  regularizers,
  schedules,
  setRandomSeed,
  type SymbolicTensor,
  tensor,
  visualize
} from 'neurite'
import { options } from './support/options.mjs'
import { uniform } from './support/random.mjs'
import { drawPicture, printTable } from './support/terminal.mjs'

const { numbers, texts, folder } = options('resnet', { epochs: 3, samples: 10_000, batch: 64 }, { data: 'cifar10' })
setRandomSeed(1)

interface Pictures {
  /** Bytes (n, 32, 32, 3). */
  x: Uint8Array
  /** Labels (n). */
  y: Uint8Array
}

/** Whether a point belongs to a figure: u and v from the figure's centre, in units of its size. */
const figures: Record<string, (u: number, v: number) => boolean> = {
  disc: (u, v) => Math.hypot(u, v) < 1,
  ring: (u, v) => Math.hypot(u, v) < 1 && Math.hypot(u, v) > 0.6,
  square: (u, v) => inSquare(u, v),
  frame: (u, v) => inSquare(u, v) && !inSquare(u / 0.6, v / 0.6),
  triangle: (u, v) => inSquare(u, v) && Math.abs(u) < (v + 1) / 2,
  diamond: (u, v) => Math.abs(u) + Math.abs(v) < 1,
  cross: (u, v) => inSquare(u, v) && Math.min(Math.abs(u), Math.abs(v)) < 0.3,
  'slanted cross': (u, v) => inSquare(u, v) && Math.min(Math.abs(u + v), Math.abs(u - v)) < 0.4,
  'lying bars': (u, v) => inSquare(u, v) && Math.abs(v) > 0.4,
  'standing bars': (u, v) => inSquare(u, v) && Math.abs(u) > 0.4
}
function inSquare(u: number, v: number): boolean {
  return Math.max(Math.abs(u), Math.abs(v)) < 1
}

const size = 32
const bytes = size * size * 3
let classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
const { train, test } = await load()

async function load(): Promise<{ train: Pictures; test: Pictures }> {
  try {
    if (texts.data === 'synthetic') return synthetic()
    const { train, test } = await datasets.cifar10()
    const read = async ({ x, y }: datasets.Labelled): Promise<Pictures> => ({
      x: (await x.data()) as Uint8Array,
      y: (await y.data()) as Uint8Array
    })
    return { train: await read(train), test: await read(test) }
  } catch (error) {
    if ((error as Error).name !== 'FileNotFoundError') throw error
    console.log((error as Error).message)
    return synthetic()
  }
}

function synthetic(): { train: Pictures; test: Pictures } {
  console.log('\nThe network learns synthetic pictures of the shape of CIFAR-10: ten figures, of any place, size and colours, in noise.\n')
  classes = Object.keys(figures)
  return { train: draw(numbers.samples), test: draw(2000) }
}

/** Pictures of figures: any place, size, two colours; noise. */
function draw(n: number): Pictures {
  const kinds = Object.values(figures)
  const [x, y] = [new Uint8Array(n * bytes), new Uint8Array(n)]
  for (let i = 0; i < n; i++) {
    y[i] = i % kinds.length
    const half = uniform(5, 11)
    const [cx, cy] = [uniform(half, size - half), uniform(half, size - half)]
    const colours = [0, 1].map(() => [0, 1, 2].map(() => uniform(30, 225)))
    for (let at = 0; at < size * size; at++) {
      const inside = kinds[y[i]!]!(((at % size) - cx) / half, (Math.floor(at / size) - cy) / half)
      for (let c = 0; c < 3; c++) x[i * bytes + at * 3 + c] = Math.min(Math.max(colours[inside ? 1 : 0]![c]! + uniform(-30, 30), 0), 255)
    }
  }
  return { x, y }
}

/** Batches of one epoch in random order, each picture moved by up to 4 pixels and mirrored at random (He et al. 2015). */
function* augmented({ x, y }: Pictures, count: number): Generator<{ x: Uint8Array; y: Uint8Array }> {
  const order = Array.from({ length: y.length }, (_, i) => [uniform(), i] as const).sort(([a], [b]) => a - b)
  for (let from = 0; from + numbers.batch <= count; from += numbers.batch) {
    const batch = { x: new Uint8Array(numbers.batch * bytes), y: new Uint8Array(numbers.batch) }
    for (let k = 0; k < numbers.batch; k++) {
      const i = order[from + k]![1]
      batch.y[k] = y[i]!
      const [dy, dx] = [Math.floor(uniform() * 9) - 4, Math.floor(uniform() * 9) - 4]
      const mirrored = uniform() < 0.5
      for (let row = Math.max(0, dy); row < Math.min(size, size + dy); row++) {
        for (let column = Math.max(0, dx); column < Math.min(size, size + dx); column++) {
          const to = (k * size + row) * size + (mirrored ? size - 1 - column : column)
          const source = (i * size + row - dy) * size + column - dx
          for (let c = 0; c < 3; c++) batch.x[to * 3 + c] = x[source * 3 + c]!
        }
      }
    }
    yield batch
  }
}

const conv = (filters: number, kernelSize: number, strides = 1) =>
  layers.conv2d({
    filters,
    kernelSize,
    strides,
    padding: 'same',
    useBias: false,
    kernelInitializer: 'heNormal',
    kernelRegularizer: regularizers.l2(1e-4)
  })
const normalised = (x: SymbolicTensor): SymbolicTensor => layers.batchNormalization({ momentum: 0.9 }).apply(x)
const relu = (x: SymbolicTensor): SymbolicTensor => layers.relu().apply(x)

/** Two convolutions and a way past them, so that the block learns what to add to its input. */
function block(x: SymbolicTensor, filters: number, strides: number): SymbolicTensor {
  const y = relu(normalised(conv(filters, 3, strides).apply(x)))
  const residual = normalised(conv(filters, 3).apply(y))
  const shortcut = strides === 1 ? x : normalised(conv(filters, 1, strides).apply(x))
  return relu(layers.add().apply([shortcut, residual]))
}

// He et al. 2015: three stages of three blocks, 16, 32 and 64 filters.
const pictures = input({ shape: [size, size, 3], name: 'pictures' })
let y = layers.rescaling({ scale: 1 / 127.5, offset: -1 }).apply(pictures)
y = relu(normalised(conv(16, 3).apply(y)))
for (const filters of [16, 32, 64]) {
  for (let i = 0; i < 3; i++) y = block(y, filters, filters > 16 && i === 0 ? 2 : 1)
}
y = layers.globalAveragePooling2d().apply(y)
const resnet = model({ inputs: pictures, outputs: layers.dense({ units: 10, name: 'classes' }).apply(y), name: 'resnet20' })
await plotModel(resnet, join(folder, 'resnet20.svg'))
console.log(`ResNet-20: ${resnet.countParams()} parameters, drawn in ${join(folder, 'resnet20.svg')}`)

const count = Math.min(numbers.samples, train.y.length)
const stepsPerEpoch = Math.floor(count / numbers.batch)
resnet.compile({
  optimizer: optimizers.sgd({
    learningRate: schedules.cosineDecay({ initialLearningRate: 0.05, decaySteps: numbers.epochs * stepsPerEpoch }),
    momentum: 0.9,
    nesterov: true
  }),
  loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
  metrics: ['accuracy']
})
await resnet.fit(() => augmented(train, count), { epochs: numbers.epochs, stepsPerEpoch })

const { accuracy } = await resnet.evaluate(test.x, test.y, { batchSize: 200 })
console.log(`\nOf ${test.y.length} pictures that it has not seen, ${(100 * accuracy!).toFixed(1)} % are recognised (by chance: 10 %).`)
const taken = await (await resnet.predict(test.x, { batchSize: 200 })).argmax(-1).data()
printTable([
  ['class', 'recognised', 'otherwise most often taken for'],
  ...classes.map((name, kind) => {
    const all = [...test.y.keys()].filter((i) => test.y[i] === kind)
    const counts = classes.map((_, other) => all.filter((i) => taken[i] === other).length)
    const wrong = counts.map((n, other) => (other === kind ? 0 : n))
    const most = wrong.indexOf(Math.max(...wrong))
    return [
      name,
      `${((100 * counts[kind]!) / all.length).toFixed(1)} %`,
      wrong[most] === 0 ? '–' : `${classes[most]} (${wrong[most]} of ${all.length})`
    ]
  })
])
const shown = tensor(test.x.subarray(0, 4 * bytes), [4, size, size, 3])
await drawPicture('Four of them, and below which pixels decide:', visualize.grid(shown, { columns: 4, padValue: 0 }))
await drawPicture('', visualize.grid(visualize.saliency(resnet, shown).max(-1), { columns: 4, padValue: 0 }))
console.log([0, 1, 2, 3].map((i) => `${classes[test.y[i]!]}, taken for ${classes[taken[i]!]}`).join('; '))
