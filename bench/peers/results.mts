// Figures of races: one file for each workload and device.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Writes bench/results/peers-<workload>-<device>.json. What stands there under other titles stays. */
export function writeResults(workload: string, device: string, results: Record<string, object>): void {
  const folder = fileURLToPath(new URL('../results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const path = `${folder}peers-${workload}-${device.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()}.json`
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).results : {}
  writeFileSync(path, `${JSON.stringify({ workload, device, results: { ...before, ...results } }, null, 2)}\n`)
}
