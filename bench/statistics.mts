// Medians and spreads: a figure is the median of several runs, with the smallest and the largest beside it.

export interface Spread {
  median: number
  low: number
  high: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, low: sorted[0]!, high: sorted.at(-1)! }
}

/** A number with three significant digits and an SI prefix. */
export function si(value: number): string {
  for (const [factor, prefix] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
    [1e-3, 'm'],
    [1e-6, 'µ'],
    [1e-9, 'n']
  ] as const) {
    if (Math.abs(value) >= factor) return `${(value / factor).toPrecision(3)} ${prefix}`
  }
  return `${value} `
}

export const withSpread = ({ median, low, high }: Spread, format = (value: number) => si(value).trim()): string =>
  `${format(median)} (${format(low)} to ${format(high)})`

/** Rows as a table of aligned columns; numbers stand on the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
