// summary(): the table of a model's layers, as Keras prints it.
import type { NamesOf } from '../arguments'
import { showShape } from '../errors'
import { InputLayer } from '../layers/input'
import type { AnyLayer } from '../layers/layer'
import { dtypeBytes } from '../native'
import { classNameOf } from '../serialization'
import { leavesOf } from '../structure'
import type { Variable } from '../tensor'
import type { AnyModel } from './model'

export interface SummaryOptions {
  /** Gets the lines. Default `console.log`. */
  printFn?: ((line: string) => void) | undefined
}

export const summaryOptions: NamesOf<SummaryOptions> = { printFn: 'optional' }

/** The lines of the table and the totals below it. */
export function summaryLines(model: AnyModel): string[] {
  const connected = model.layers.some((layer) => layer instanceof InputLayer)
  const rows = model.layers.map((layer): string[][] => {
    const shapes = new Set(model.graph?.shapesOf(layer).map(showShape) ?? ['?'])
    return [
      [`${layer.name} (${classNameOf(layer)})`],
      [...shapes],
      [layer.built ? formatCount(layer.countParams()) : '? (not built)'],
      ...(connected ? [connectionsOf(model, layer)] : [])
    ]
  })
  const trainable = model.trainableVariables
  const frozen = model.nonTrainableVariables
  return [
    `Model: "${model.name}"`,
    ...table(['Layer (type)', 'Output shape', 'Params', ...(connected ? ['Connected to'] : [])], rows),
    ` Total params: ${describe([...trainable, ...frozen])}`,
    ` Trainable params: ${describe(trainable)}`,
    ` Non-trainable params: ${describe(frozen)}`
  ]
}

/** What a layer takes, at each of its uses: `layer[use][output]`. */
function connectionsOf({ graph }: AnyModel, layer: AnyLayer): string[] {
  const nodes = graph!.nodes.filter((node) => node.layer === layer)
  const refs = nodes.flatMap(({ inputs }) => leavesOf(inputs).map((t) => graph!.refOf(t)))
  return refs.length === 0 ? ['-'] : refs
}

/** A box around rows of cells, which may have several lines; the numbers in the third column are aligned to the right. */
function table(head: string[], rows: string[][][]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.flatMap((row) => row[i]!.map((text) => text.length))))
  const line = (left: string, fill: string, middle: string, right: string): string =>
    left + widths.map((width) => fill.repeat(width + 2)).join(middle) + right
  const row = (cells: string[], bar: string): string => {
    const padded = cells.map((cell, i) => (i === 2 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
    return `${bar} ${padded.join(` ${bar} `)} ${bar}`
  }
  const between = line('├', '─', '┼', '┤')
  const body = rows.flatMap((cells, i) => {
    const height = Math.max(...cells.map((lines) => lines.length))
    const lines = Array.from({ length: height }, (_, at) =>
      row(
        cells.map((cell) => cell[at] ?? ''),
        '│'
      )
    )
    return i === 0 ? lines : [between, ...lines]
  })
  return [line('┏', '━', '┳', '┓'), row(head, '┃'), line('┡', '━', '╇', '┩'), ...body, line('└', '─', '┴', '┘')]
}

function describe(variables: readonly Variable[]): string {
  const count = variables.reduce((sum, v) => sum + v.size, 0)
  const bytes = variables.reduce((sum, v) => sum + v.size * dtypeBytes[v.dtype], 0)
  return `${formatCount(count)} (${formatBytes(bytes)})`
}

/** 669706 → `669,706`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(2)} ${units[unit]}`
}
