// Which CUDA kernel the tables of cuda/ pick for the convolutions of bench/networks.mts. Needs no GPU.
import { spawnSync } from 'node:child_process'
import { type Convolution, type Direction, directionsOf, type NetworkLayer, nameOf, networkLayers, outputSize } from './networks.mjs'
import { buildProgram } from './program.mjs'
import { table } from './statistics.mjs'

const product = (numbers: readonly number[]) => numbers.reduce((a, b) => a * b, 1)

/** The product of matrices that a direction of a convolution is, and in how many parts, as cuda/conv.cu cuts it. */
function productOf(layer: NetworkLayer & Convolution, direction: Direction): [m: number, n: number, k: number, batches: number] {
  const { batch, size, kernel, stride, groups } = layer
  const [channels, features] = [layer.channels / groups, layer.features / groups]
  const pixels = batch * product(outputSize(layer))
  const taps = kernel ** size.length
  if (direction === 'forward') return [pixels, features, taps * channels, groups]
  if (direction === 'filter gradient') return [taps * channels, features, pixels, groups]
  // Places of the input that are equal modulo the stride see the same taps.
  const phases = stride ** size.length
  const most = Math.ceil(kernel / stride) ** size.length
  return [batch * product(size.map((n) => Math.ceil(n / stride))), channels, most * features, phases * groups]
}

/** A line for each direction of each convolution whose name is asked for; undefined where there is no compiler. */
export function kernelTable(capability: number, asked: (name: string) => boolean): string | undefined {
  const program = buildProgram('conv-table', 'cuda/conv-table.h', 'cuda/matmul-table.h')
  if (program === undefined) return undefined
  const cases = networkLayers.flatMap((layer) =>
    layer.kind === 'conv' && asked(nameOf(layer)) ? directionsOf(layer).map((direction) => ({ layer, direction })) : []
  )
  const questions = (mayRound: 0 | 1) =>
    cases.map(({ layer, direction }) => {
      const everyPixelOnce = Number(layer.kernel === 1 && layer.stride === 1)
      const { groups, channels } = layer
      return [everyPixelOnce, groups, channels / groups, ...productOf(layer, direction), capability, mayRound].join(' ')
    })
  const answers = (mayRound: 0 | 1) =>
    spawnSync(program, { input: questions(mayRound).join('\n'), encoding: 'utf8' })
      .stdout.trimEnd()
      .split('\n')
  const [exact, rounded] = [answers(0), answers(1)]
  const rows = cases.map(({ layer, direction }, i) => [`${nameOf(layer)}: ${direction}`, exact[i]!, rounded[i]!])
  return table([`compute capability ${(capability / 10).toFixed(1)}`, 'float32, highest', 'float32, high; bfloat16'], rows)
}
