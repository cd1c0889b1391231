// Figures of races: one file for each workload and processor.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Writes bench/results/peers-<workload>-<cpu>.json. What stands there under other titles stays. */
export function writeResults(workload: string, results: Record<string, object>): void {
  const cpu = cpus()[0]!.model
  const folder = fileURLToPath(new URL('../results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const path = `${folder}peers-${workload}-${cpu.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()}.json`
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).results : {}
  writeFileSync(path, `${JSON.stringify({ workload, cpu, results: { ...before, ...results } }, null, 2)}\n`)
}
