// summary(): the table of a model's layers, as Keras prints it.
import { showShape } from '../errors'
import { dtypeBytes } from '../native'
import { classNameOf } from '../serialization'
import type { Variable } from '../tensor'
import type { Model } from './model'

export interface SummaryOptions {
  /** Gets the lines. Default `console.log`. */
  printFn?: ((line: string) => void) | undefined
}

/** The lines of the table and the totals below it. */
export function summaryLines(model: Model): string[] {
  const rows = model.layers.map((layer) => {
    const shape = model.outputShapeOf(layer)
    return [
      `${layer.name} (${classNameOf(layer)})`,
      shape === undefined ? '?' : showShape(shape),
      layer.built ? formatCount(layer.countParams()) : '? (not built)'
    ]
  })
  const trainable = model.trainableVariables
  const frozen = model.nonTrainableVariables
  return [
    `Model: "${model.name}"`,
    ...table(['Layer (type)', 'Output shape', 'Params'], rows),
    ` Total params: ${describe([...trainable, ...frozen])}`,
    ` Trainable params: ${describe(trainable)}`,
    ` Non-trainable params: ${describe(frozen)}`
  ]
}

/** A box around rows; the last column is aligned to the right. */
function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (left: string, fill: string, middle: string, right: string): string =>
    left + widths.map((width) => fill.repeat(width + 2)).join(middle) + right
  const row = (cells: string[], bar: string): string => {
    const padded = cells.map((cell, i) => (i === cells.length - 1 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
    return `${bar} ${padded.join(` ${bar} `)} ${bar}`
  }
  const between = line('├', '─', '┼', '┤')
  const body = rows.flatMap((cells, i) => (i === 0 ? [row(cells, '│')] : [between, row(cells, '│')]))
  return [line('┏', '━', '┳', '┓'), row(head, '┃'), line('┡', '━', '╇', '┩'), ...body, line('└', '─', '┴', '┘')]
}

function describe(variables: readonly Variable[]): string {
  const count = variables.reduce((sum, v) => sum + v.size, 0)
  const bytes = variables.reduce((sum, v) => sum + v.size * dtypeBytes[v.dtype], 0)
  return `${formatCount(count)} (${formatBytes(bytes)})`
}

/** 669706 → `669,706`. */
function formatCount(count: number): string {
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
