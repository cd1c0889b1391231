// Which kernel the tables of cuda/ and native/cpu/ pick for the convolutions of bench/networks.mts. Needs neither a GPU nor AMX.
import { spawnSync } from 'node:child_process'
import { beforeOf, type Direction, directionsOf, nameOf, networkLayers } from './networks.mjs'
import { buildProgram } from './program.mjs'
import { table } from './statistics.mjs'

type Asked = (name: string) => boolean

/** Each direction of each convolution whose name is asked for. */
const casesOf = (asked: Asked) =>
  networkLayers.flatMap((layer) =>
    layer.kind === 'conv' && asked(nameOf(layer)) ? directionsOf(layer).map((direction) => ({ layer, direction })) : []
  )

type Case = ReturnType<typeof casesOf>[number]

/** The answers of a program to the cases, a line each. */
const ask = (program: string, cases: readonly Case[], ...args: string[]) => {
  const directions: readonly Direction[] = ['forward', 'data gradient', 'filter gradient']
  const questions = cases.map(({ layer, direction }) => {
    const { batch, channels, features, groups, kernel, stride, size } = layer
    const numbers = [size.length, batch, channels, features, groups, kernel, stride, Math.floor(beforeOf(layer)), ...size]
    return [directions.indexOf(direction), ...numbers].join(' ')
  })
  return spawnSync(program, args, { input: questions.join('\n'), encoding: 'utf8' })
    .stdout.trimEnd()
    .split('\n')
}

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
  const kernels: Record<string, string> = { '-1': 'matmul or depthwise', '0': 'multiply-adds' }
  const rows = ask(program, cases).map((answer, i) => {
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
  const rows = ask(program, cases, String(capability)).map((answer, i) => {
    const { layer, direction } = cases[i]!
    return [`${nameOf(layer)}: ${direction}`, ...answer.split('\t')]
  })
  return table([`compute capability ${(capability / 10).toFixed(1)}`, 'float32, highest', 'float32, high', 'bfloat16'], rows)
}
