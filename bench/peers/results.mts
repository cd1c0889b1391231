// Figures of races: one file for each workload and device.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Device } from 'neurite'
import { machineName } from '../machine.mjs'

/** Writes bench/results/peers-<workload>-<machine>.json. What stands there under other titles stays. */
export function writeResults(workload: string, device: Device, results: Record<string, object>): void {
  const folder = fileURLToPath(new URL('../results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const machine = machineName([device])
  const path = `${folder}peers-${workload}-${machine}.json`
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).results : {}
  writeFileSync(path, `${JSON.stringify({ workload, machine, results: { ...before, ...results } }, null, 2)}\n`)
}
