// npm run bench: every op at a few sizes with time, rate and share of the ceiling that is measured beside it; whole models; a GPU beside the CPU.
//
//   --device cpu|cuda   only this device (default: all that are usable)
//   --filter WORD       only groups and cases whose name contains WORD
//   --quick             a smoke run: short, figures mean little
//   --json              writes bench/results/<machine>.json; cases that did not run keep their figures from before
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { devices, setDevice, synchronize, tensor } from 'neurite'
import { Ceilings } from './ceilings.mjs'
import { merged } from './merge.mjs'
import { modelCase, modelNames } from './model-cases.mjs'
import { groups, type OpCase } from './op-cases.mjs'
import { type Spread, si, spread, table, withSpread } from './statistics.mjs'

const { values: options } = parseArgs({
  options: {
    device: { type: 'string' },
    filter: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})
const threads = Number(process.env.NEURITE_NUM_THREADS) || cpus().length
const rounds = options.quick ? 3 : 7
const roundSeconds = options.quick ? 0.01 : 0.1
const wanted = (name: string) => name.includes(options.filter!)
const chosen = devices().filter(({ name, usable }) => usable && (!options.device || name === options.device))
const ceilings = Ceilings.start(threads)

interface Result extends Spread {
  device: string
  group: string
  name: string
  rate?: string
  share?: number
}
const results: Result[] = []

/** What the ceiling of a case says now about seconds that it took: 1 is all that the machine can do. */
async function shareOf({ flops, streams }: OpCase, seconds: number): Promise<number> {
  return flops ? flops / seconds / (await ceilings!.flops()) : (await ceilings!.seconds(streams!)) / seconds
}

/**
 * Seconds of one run: many are submitted, then waited for once; several rounds. The ceiling is measured between them, each round
 * against its own: what other programs take from the machine changes within seconds.
 */
async function time(opCase: OpCase, onCpu: boolean): Promise<{ seconds: Spread; share?: number }> {
  const submit = (count: number) => {
    for (let i = 0; i < count; i++) {
      const made = opCase.run()
      for (const result of made === undefined ? [] : Array.isArray(made) ? made : [made]) result.dispose()
    }
  }
  const round = async (count: number) => {
    const begin = performance.now()
    submit(count)
    await synchronize()
    return (performance.now() - begin) / 1e3
  }
  await round(1) // memory is touched for the first time, and what made the operands ends
  let count = 1
  for (let seconds = await round(1); seconds < roundSeconds && count < 1e6; seconds = await round(count)) {
    count = Math.ceil(count * Math.min(10, Math.max(1.5, (1.2 * roundSeconds) / seconds)))
  }
  const seconds: number[] = []
  const shares: number[] = []
  for (let i = 0; i < rounds; i++) {
    seconds.push((await round(count)) / count)
    if (onCpu && ceilings && (opCase.flops || opCase.streams)) shares.push(await shareOf(opCase, seconds.at(-1)!))
  }
  return { seconds: spread(seconds), ...(shares.length > 0 && { share: spread(shares).median }) }
}

function rateOf({ flops, streams }: OpCase, { median }: Spread): string {
  if (flops) return `${si(flops / median)}FLOP/s`
  return streams ? `${si((4 * streams.floats * (streams.reads + streams.writes)) / median)}B/s` : `${si(1 / median)}/s`
}

for (const { name: device, type, description } of chosen) {
  setDevice(device)
  console.log(`\n${device}: ${description}${type === 'cpu' ? `, ${threads} threads` : ''}`)
  if (type === 'cpu' && ceilings) console.log(`float32 multiply-adds on registers: ${si(await ceilings.flops())}FLOP/s`)
  for (const [group, cases] of Object.entries(groups)) {
    const rows: string[][] = []
    for (const opCase of cases()) {
      if (!wanted(group) && !wanted(opCase.name)) continue
      const { seconds, share } = await time(opCase, type === 'cpu')
      const rate = rateOf(opCase, seconds)
      results.push({ device, group, name: opCase.name, ...seconds, rate, ...(share !== undefined && { share }) })
      rows.push([
        opCase.name,
        withSpread(seconds, (value) => `${si(value)}s`),
        rate,
        share === undefined ? '' : `${(100 * share).toFixed(0)} %`
      ])
    }
    if (rows.length > 0) console.log(`\n${table([group, 'time (range)', 'rate', 'of ceiling'], rows)}`)
  }
  const rows: string[][] = []
  for (const name of modelNames.filter((model) => wanted('models') || wanted(model))) {
    const { batch, epoch, predict, flops } = modelCase(name)
    const measure = async (title: string, run: () => Promise<number>, perSample?: number) => {
      await run()
      const rates: number[] = []
      for (let i = 0; i < rounds; i++) {
        const begin = performance.now()
        let samples = 0
        do samples += await run()
        while (performance.now() - begin < 5e3 * roundSeconds)
        rates.push(samples / ((performance.now() - begin) / 1e3))
      }
      const rate = spread(rates)
      const share = perSample && type === 'cpu' && ceilings ? (rate.median * perSample) / (await ceilings.flops()) : undefined
      results.push({ device, group: 'models', name: title, ...rate, ...(share !== undefined && { share }) })
      rows.push([
        title,
        withSpread(rate),
        perSample ? `${si(rate.median * perSample)}FLOP/s` : '',
        share === undefined ? '' : `${(100 * share).toFixed(0)} %`
      ])
    }
    await measure(`${name}: training, batch ${batch}`, epoch, flops)
    for (const n of [256, 1]) await measure(`${name}: prediction of ${n}`, () => predict(n))
  }
  if (rows.length > 0) console.log(`\n${table(['models', 'samples/s (range)', 'rate', 'of ceiling'], rows)}`)
  if (type === 'cpu' && wanted('round trip')) await roundTrips()
}

/** From JavaScript to the stream and back, after pauses of the event loop. */
async function roundTrips(): Promise<void> {
  const x = tensor(new Float32Array(8))
  const rows: string[][] = []
  for (const gap of [0, 1, 2, 10]) {
    const micros: number[] = []
    for (let i = 0; i < (options.quick ? 10 : 100); i++) {
      await new Promise((resolve) => (gap ? setTimeout(resolve, gap) : setImmediate(resolve)))
      const begin = performance.now()
      const y = x.add(1)
      await y.data()
      micros.push((performance.now() - begin) * 1e3)
      y.dispose()
    }
    const trip = spread(micros)
    results.push({ device: 'cpu', group: 'round trip', name: `after ${gap} ms`, ...trip })
    rows.push([`after ${gap} ms`, withSpread(trip, (value) => `${value.toFixed(1)} µs`)])
  }
  console.log(`\n${table(['round trip', 'time (range)'], rows)}`)
}

if (chosen.length > 1) {
  const times = (device: string) =>
    new Map(results.filter((result) => result.device === device).map((result) => [result.name, result.median]))
  const [cpu, gpu] = [times('cpu'), times(chosen[1]!.name)]
  const rows = [...cpu]
    .filter(([name]) => gpu.has(name))
    .map(([name, seconds]) => [name, si(seconds), si(gpu.get(name)!), (seconds / gpu.get(name)!).toFixed(1)])
  console.log(`\n${table(['side by side', 'cpu', chosen[1]!.name, 'cpu ÷ gpu'], rows)}`)
}
if (options.json) {
  const machine = chosen.map(({ description }) => description.replace(/[^A-Za-z0-9]+/g, '-').toLowerCase()).join('+')
  const folder = fileURLToPath(new URL('results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const path = `${folder}${machine}.json`
  const before: Result[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).results : []
  const report = {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    threads,
    devices: chosen,
    results: merged(before, results)
  }
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`)
}
ceilings?.end()
