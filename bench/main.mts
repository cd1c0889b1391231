// npm run bench: every op at a few sizes with time, rate and share of the ceiling that is measured beside it; whole models; a GPU beside the CPU.
//
//   --device cpu|cuda   only this device (default: all that are usable)
//   --filter WORD       only groups and cases whose name contains WORD
//   --quick             a smoke run: short, figures mean little
//   --kernels           only prints which kernels the tables pick for the convolutions: of cuda/ for compute capability 8.0, of native/cpu/ with AMX
//   --json              writes bench/results/<machine>.json; cases that did not run keep their figures from before
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { devices, setDevice, tensor } from 'neurite'
import { Ceilings } from './ceilings.mjs'
import { kernelTable, tileTable } from './kernel-table.mjs'
import { machineName } from './machine.mjs'
import { type OpCase, rateOf, Stopwatch, shareOf } from './measure.mjs'
import { merged } from './merge.mjs'
import { groups } from './op-cases.mjs'
import { type Spread, si, spread, table, withSpread } from './statistics.mjs'
import { Training, type WorkloadName, workloads } from './workloads.mjs'

const { values: options } = parseArgs({
  options: {
    device: { type: 'string' },
    filter: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    kernels: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false }
  }
})
if (options.kernels) {
  const asked = (name: string) => name.includes(options.filter!)
  for (const lines of [kernelTable(80, asked), tileTable(asked)]) console.log(lines ?? 'The tables are C++, and there is no compiler.')
  process.exit()
}
const threads = Number(process.env.NEURITE_NUM_THREADS) || cpus().length
const rounds = options.quick ? 3 : 7
const roundSeconds = options.quick ? 0.01 : 0.1
const wanted = (name: string) => name.includes(options.filter!)
const chosen = devices().filter(({ name, usable }) => usable && (!options.device || name === options.device))
if (chosen.length === 0) {
  const there = devices().map(({ name, usable, reason }) => (usable ? name : `${name} (not usable: ${reason})`))
  console.error(`expected --device to be a usable device, received ${options.device}; there is ${there.join(', ')}`)
  process.exit(1)
}
const ceilings = Ceilings.start(threads)

const percent = (share?: number) => (share === undefined ? '' : `${(100 * share).toFixed(0)} %`)

interface Result extends Spread {
  device: string
  group: string
  name: string
  unit: 's' | 'µs' | 'samples/s'
  rate?: string
  share?: number
}
const results: Result[] = []

/** Seconds of one run; the ceiling is measured between the rounds, each against its own: what other programs take from the machine changes within seconds. */
async function time(opCase: OpCase, onCpu: boolean): Promise<{ seconds: Spread; share?: number }> {
  const stopwatch = await Stopwatch.of(opCase, roundSeconds)
  const seconds: number[] = []
  const shares: number[] = []
  for (let i = 0; i < rounds; i++) {
    seconds.push(await stopwatch.seconds())
    const share = onCpu && ceilings ? await shareOf(opCase, seconds.at(-1)!, ceilings) : undefined
    if (share !== undefined) shares.push(share)
  }
  return { seconds: spread(seconds), ...(shares.length > 0 && { share: spread(shares).median }) }
}

for (const { name: device, type, description } of chosen) {
  setDevice(device)
  console.log(`\n${device}: ${description}${type === 'cpu' ? `, ${threads} threads` : ''}`)
  if (type === 'cpu' && ceilings) console.log(`float32 multiply-adds on registers: ${si(await ceilings.flops())}FLOP/s`)
  for (const [group, cases] of Object.entries(groups)) {
    const rows: string[][] = []
    const asked = (name: string) => wanted(group) || wanted(name)
    for (const opCase of cases(asked)) {
      if (!asked(opCase.name)) continue
      const { seconds, share } = await time(opCase, type === 'cpu')
      const rate = rateOf(opCase, seconds.median)
      results.push({ device, group, name: opCase.name, unit: 's', ...seconds, rate, ...(share !== undefined && { share }) })
      rows.push([opCase.name, withSpread(seconds, (value) => `${si(value)}s`), rate, percent(share)])
    }
    if (rows.length > 0) console.log(`\n${table([group, 'time (range)', 'rate', 'of ceiling'], rows)}`)
  }
  const rows: string[][] = []
  const modelSeconds = 5 * roundSeconds
  for (const [name, { title, batch, predicts }] of Object.entries(workloads)) {
    if (!wanted('models') && !wanted(title)) continue
    const training = await Training.of(name as WorkloadName)
    const measure = async (what: string, run: () => Promise<number>, flops?: number) => {
      for (let i = 0; i < 2; i++) await run()
      const rates: number[] = []
      for (let i = 0; i < rounds; i++) {
        const begin = performance.now()
        const samples = await run()
        rates.push(samples / ((performance.now() - begin) / 1e3))
      }
      const rate = spread(rates)
      const share = flops && type === 'cpu' && ceilings ? (rate.median * flops) / (await ceilings.flops()) : undefined
      results.push({
        device,
        group: 'models',
        name: `${title}: ${what}`,
        unit: 'samples/s',
        ...rate,
        ...(share !== undefined && { share })
      })
      rows.push([`${title}: ${what}`, withSpread(rate), flops ? `${si(rate.median * flops)}FLOP/s` : '', percent(share)])
    }
    const predict = async (size: number) => {
      const begin = performance.now()
      let count = 0
      for (; performance.now() - begin < 1e3 * modelSeconds; count++) await training.predict(size)
      return count * size
    }
    await measure(`training, batch ${batch}`, () => training.train(modelSeconds), training.flops)
    for (const size of [predicts, 1]) await measure(`prediction of ${size}`, () => predict(size))
  }
  if (rows.length > 0) console.log(`\n${table(['models', 'samples/s (range)', 'rate', 'of ceiling'], rows)}`)
  if (type === 'cpu' && wanted('round trip')) await roundTrips()
}

/** From JavaScript to the stream and back, after pauses of the event loop. */
async function roundTrips(): Promise<void> {
  const x = tensor(new Float32Array(8))
  const trip = async () => {
    const begin = performance.now()
    const y = x.add(1)
    await y.data()
    const micros = (performance.now() - begin) * 1e3
    y.dispose()
    return micros
  }
  // As in a program that runs for a while, the functions are compiled.
  for (let i = 0; i < (options.quick ? 10 : 5000); i++) await trip()
  const rows: string[][] = []
  for (const gap of [0, 1, 2, 10]) {
    const micros: number[] = []
    for (let i = 0; i < (options.quick ? 10 : 100); i++) {
      await new Promise((resolve) => (gap ? setTimeout(resolve, gap) : setImmediate(resolve)))
      micros.push(await trip())
    }
    const all = spread(micros)
    results.push({ device: 'cpu', group: 'round trip', name: `after ${gap} ms`, unit: 'µs', ...all })
    rows.push([`after ${gap} ms`, withSpread(all, (value) => `${value.toFixed(1)} µs`)])
  }
  console.log(`\n${table(['round trip', 'time (range)'], rows)}`)
}

if (chosen.length > 1) {
  const [cpu, gpu] = chosen.map(({ name }) => results.filter(({ device }) => device === name)) as [Result[], Result[]]
  const rows = cpu.flatMap(({ group, name, unit, median }) => {
    const other = gpu.find((result) => result.group === group && result.name === name)
    if (!other) return []
    const speedup = unit === 'samples/s' ? other.median / median : median / other.median
    return [[name, ...[median, other.median].map((value) => `${si(value)}${unit}`), speedup.toFixed(1)]]
  })
  console.log(`\n${table(['side by side', 'cpu', chosen[1]!.name, 'times as fast'], rows)}`)
}
if (options.json) {
  const folder = fileURLToPath(new URL('results/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const path = `${folder}${machineName(chosen)}.json`
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
