// The classical image filters (edges, sharpen, blur) applied to a photograph by convolutions with fixed kernels.
// The photograph is Chelsea the cat by Stéfan van der Walt (CC0), from scikit-image; `npm run example filters -- --image my.png` takes another.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layers, ops, sequential, type Tensor, tensor, visualize } from 'neurite'
import { options } from './support/options.mjs'
import { drawPicture } from './support/terminal.mjs'

const { folder, texts } = options('filters', {}, { image: fileURLToPath(new URL('cat.png', import.meta.url)) })

// A kernel and what it is multiplied by.
const kernels: Record<string, [kernel: number[][], scale: number]> = {
  identity: [
    [
      [0, 0, 0],
      [0, 1, 0],
      [0, 0, 0]
    ],
    1
  ],
  'edges, diagonal': [
    [
      [1, 0, -1],
      [0, 0, 0],
      [-1, 0, 1]
    ],
    1
  ],
  'edges, four neighbours': [
    [
      [0, 1, 0],
      [1, -4, 1],
      [0, 1, 0]
    ],
    1
  ],
  'edges, eight neighbours': [
    [
      [-1, -1, -1],
      [-1, 8, -1],
      [-1, -1, -1]
    ],
    1
  ],
  sharpen: [
    [
      [0, -1, 0],
      [-1, 5, -1],
      [0, -1, 0]
    ],
    1
  ],
  'box blur': [
    [
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 1]
    ],
    1 / 9
  ],
  'Gaussian blur': [
    [
      [1, 2, 1],
      [2, 4, 2],
      [1, 2, 1]
    ],
    1 / 16
  ]
}

const photograph = (await visualize.readPng(texts.image)).cast('float32').expandDims(0) // (1, H, W, 3)
const [, height, width] = photograph.shape as [number, number, number, number]

/** The photograph under a filter: a depthwise convolution, which treats red, green and blue alike; beyond the border lie the nearest pixels. */
async function filtered(kernel: number[][], scale: number): Promise<Tensor> {
  const convolution = layers.depthwiseConv2d({ kernelSize: 3, useBias: false, trainable: false })
  const filter = sequential([layers.padding2d({ padding: 1, mode: 'edge', inputShape: [height, width, 3] }), convolution])
  convolution.setWeights([tensor(kernel.map((row) => row.map((value) => [value * scale, value * scale, value * scale]))).expandDims(-1)])
  return filter.predict(photograph)
}

const results: Tensor[] = []
for (const [name, [kernel, scale]] of Object.entries(kernels)) {
  const result = (await filtered(kernel, scale)).clip(0, 255)
  results.push(result)
  // Half the size, and spread over black to white, so that edges show in a terminal.
  await drawPicture(`${name}:`, visualize.grid(layers.averagePooling2d().apply(result), { padding: 0 }))
  const factor = scale === 1 ? '' : `1/${Math.round(1 / scale)} ·`
  kernel.forEach((row, i) => {
    console.log(`${(i === 1 ? factor : '').padStart(8)} │${row.map((v) => String(v).padStart(3)).join('')} │`)
  })
}
const file = join(folder, 'filters.png')
await visualize.writePng(file, visualize.grid(ops.concat(results), { columns: 4, valueRange: [0, 255], padding: 4 }))
console.log(`\nAll of them, from left to right and top to bottom in this order: ${file}`)
