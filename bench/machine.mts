// What a machine is called in bench/results.
import { readFileSync } from 'node:fs'
import type { Device } from 'neurite'

/** A name for files: what devices are called, and the generation of a CPU, which a virtual machine's name often leaves out. */
export function machineName(devices: readonly Device[]): string {
  const names = devices.map(({ type, description }) => (type === 'cpu' ? `${description}${generation()}` : description))
  return names.map((name) => name.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()).join('+')
}

function generation(): string {
  if (process.platform !== 'linux') return ''
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  const [family, model] = ['cpu family', 'model'].map((key) => new RegExp(`^${key}\\s*: (.*)$`, 'm').exec(info)?.[1])
  return family === undefined ? '' : ` family ${family} model ${model}`
}
