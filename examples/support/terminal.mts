// What the examples draw in a terminal: pictures, charts and tables.
import type { Tensor } from 'neurite'

const shades = ' .:-=+*#%@'

/** Draws a picture (H, W, 1 or 3) of bytes, two rows of pixels in one line of text: in colour on a terminal, else by characters. */
export async function drawPicture(title: string, picture: Tensor): Promise<void> {
  const [height, width, channels] = picture.shape as [number, number, number]
  const bytes = await picture.data()
  const room = process.stdout.columns ?? 120
  // So many pixels, each way, become one.
  const step = Math.ceil(width / room)
  const block = (y: number, x: number, c: number): number => {
    let [sum, count] = [0, 0]
    for (let dy = 0; dy < step && y * step + dy < height; dy++) {
      for (let dx = 0; dx < step && x * step + dx < width; dx++) {
        sum += bytes[((y * step + dy) * width + x * step + dx) * channels + (c % channels)]!
        count++
      }
    }
    return count === 0 ? 0 : sum / count
  }
  const colour = (y: number, x: number): number[] => [0, 1, 2].map((c) => Math.round(block(y, x, c)))
  if (title !== '') console.log(`\n${title}`)
  for (let y = 0; y * step < height; y += 2) {
    const line = Array.from({ length: Math.floor(width / step) }, (_, x) => {
      const [upper, lower] = [colour(y, x), colour(y + 1, x)]
      if (process.stdout.isTTY) return `\x1b[38;2;${upper.join(';')}m\x1b[48;2;${lower.join(';')}m▀`
      const mean = [...upper, ...lower].reduce((a, b) => a + b) / 6
      return shades[Math.min(Math.floor((mean / 256) * shades.length), shades.length - 1)]
    })
    console.log(process.stdout.isTTY ? `${line.join('')}\x1b[0m` : line.join('').trimEnd())
  }
}

/** Draws values as columns of characters, `height` lines high; `marks` are written below, at the index of their value. */
export function drawChart(title: string, values: ArrayLike<number>, height: number, marks: Readonly<Record<number, string>> = {}): void {
  const room = Math.min(process.stdout.columns ?? 128, 128)
  const step = Math.ceil(values.length / room)
  const columns = Array.from({ length: Math.ceil(values.length / step) }, (_, i) =>
    Math.max(...Array.from({ length: step }, (_, j) => values[i * step + j] ?? 0))
  )
  const most = Math.max(...columns, 1e-12)
  console.log(`\n${title}`)
  for (let row = height - 1; row >= 0; row--) {
    const level = (v: number): number => Math.round(Math.min(Math.max((v / most) * height - row, 0), 1) * 8)
    console.log(
      columns
        .map((v) => ' ▁▂▃▄▅▆▇█'[level(v)])
        .join('')
        .trimEnd()
    )
  }
  let below = ''
  for (const [index, mark] of Object.entries(marks)) below = `${below.padEnd(Math.floor(Number(index) / step))}${mark} `
  console.log(below)
}

/** Prints rows as columns, the first row as the head; numbers stand to the right. */
export function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(3) : cell)))
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
  const isNumber = (i: number): boolean => typeof rows[1]?.[i] === 'number'
  const print = (row: readonly string[]): void =>
    console.log(`  ${row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('   ')}`.trimEnd())
  print(cells[0]!)
  print(widths.map((width) => '─'.repeat(width)))
  for (const row of cells.slice(1)) print(row)
}
