// The command line of the package: what `npx neurite info` prints.
import { cpus, totalmem } from 'node:os'
import { fromNative, NeuriteError } from './errors'
import { load, platform } from './load'
import type { Native } from './native'

const usage = `usage: neurite info     versions, instruction set, threads, memory and devices, and why a device is not usable`

/** Runs the command line and sets the exit code. */
export function main(args: string[]): void {
  const [command, ...rest] = args
  if (command === 'info' && rest.length === 0) info()
  else {
    const asked = command === undefined || command === 'help' || command === '--help'
    ;(asked ? console.log : console.error)(usage)
    if (!asked) process.exitCode = 2
  }
}

/** What the addon, or an environment variable that it reads, is at fault for is told without a stack trace. */
function info(): void {
  try {
    const { native, path } = load()
    describe(native, path)
  } catch (thrown) {
    const error = fromNative(thrown, 'info')
    if (!(error instanceof NeuriteError)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

function describe(native: Native, path: string): void {
  const rows: [string, string][] = [
    ['neurite', native.version],
    ['system', `${platform()}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${bytes(totalmem())}`],
    ['node', `${process.version}, Node-API ${process.versions.napi}`],
    ['addon', path],
    ...native.info()
  ]
  const devices: [string, string][] = native
    .devices()
    .map((d) => [
      d.name,
      d.usable ? [d.description, d.capability, bytes(d.memory)].filter(Boolean).join(', ') : `not usable: ${d.reason ?? 'no reason given'}`
    ])
  print('', rows)
  print('devices', devices)
}

function print(title: string, rows: [string, string][]): void {
  const width = Math.max(...rows.map(([label]) => label.length))
  if (title) console.log(`\n${title}`)
  for (const [label, text] of rows) console.log(`  ${label.padEnd(width)}  ${text}`)
}

function bytes(count: number): string {
  return `${(count / 2 ** 30).toFixed(1)} GiB`
}
