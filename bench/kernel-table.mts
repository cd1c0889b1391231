// Which kernel the tables of cuda/ and native/cpu/ pick for the convolutions of bench/networks.mts. Needs neither a GPU nor AMX.
import { spawnSync } from 'node:child_process'
import {
  beforeOf,
  type Convolution,
  type Direction,
  directionsOf,
  type NetworkLayer,
  nameOf,
  networkLayers,
  outputSize
} from './networks.mjs'
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

type Asked = (name: string) => boolean

/** Each direction of each convolution whose name is asked for. */
const casesOf = (asked: Asked) =>
  networkLayers.flatMap((layer) =>
    layer.kind === 'conv' && asked(nameOf(layer)) ? directionsOf(layer).map((direction) => ({ layer, direction })) : []
  )

/** The answers of a program to questions, a line each. */
const ask = (program: string, questions: readonly string[]) =>
  spawnSync(program, { input: questions.join('\n'), encoding: 'utf8' })
    .stdout.trimEnd()
    .split('\n')

/** What multiplies on a CPU with AMX, by cost models that no measurement of these kernels stands behind yet; undefined where there is no compiler. */
export function tileTable(asked: Asked): string | undefined {
  const program = buildProgram(
    'conv-unit-table',
    ...['conv-tile-table.h', 'conv-strip.h', 'conv-winograd.h', 'conv-winograd-filter-grad.h', 'gemm-table.h'].map(
      (name) => `native/cpu/${name}`
    )
  )
  if (program === undefined) return undefined
  const cases = casesOf(asked)
  const directions: readonly Direction[] = ['forward', 'data gradient', 'filter gradient']
  const questions = cases.map(({ layer, direction }) => {
    const { batch, channels, features, groups, kernel, stride, size } = layer
    const numbers = [size.length, batch, channels, features, groups, kernel, stride, Math.floor(beforeOf(layer)), ...size]
    return [directions.indexOf(direction), ...numbers].join(' ')
  })
  const kernels: Record<string, string> = { '-1': 'matmul or depthwise', '0': 'multiply-adds' }
  const rows = ask(program, questions).map((answer, i) => {
    const { layer, direction } = cases[i]!
    return [`${nameOf(layer)}: ${direction}`, ...answer.split(' ').map((products) => kernels[products] ?? `tiles ×${products}`)]
  })
  return table(['CPU with AMX', 'float32, highest', 'float32, high', 'float32, medium; bfloat16'], rows)
}

/** What multiplies on a GPU: a line for each direction of each convolution whose name is asked for; undefined where there is no compiler. */
export function kernelTable(capability: number, asked: Asked): string | undefined {
  const program = buildProgram('conv-table', 'cuda/conv-table.h', 'cuda/matmul-table.h')
  if (program === undefined) return undefined
  const cases = casesOf(asked)
  const questions = (mayRound: 0 | 1) =>
    cases.map(({ layer, direction }) => {
      const everyPixelOnce = Number(layer.kernel === 1 && layer.stride === 1)
      const { groups, channels } = layer
      return [everyPixelOnce, groups, channels / groups, ...productOf(layer, direction), capability, mayRound].join(' ')
    })
  const [exact, rounded] = [ask(program, questions(0)), ask(program, questions(1))]
  const rows = cases.map(({ layer, direction }, i) => [`${nameOf(layer)}: ${direction}`, exact[i]!, rounded[i]!])
  return table([`compute capability ${(capability / 10).toFixed(1)}`, 'float32, highest', 'float32, high; bfloat16'], rows)
}
