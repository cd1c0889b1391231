// Races neurite against PyTorch and onnxruntime-node on the same work in one run: every contender is a process of its own that waits while the others
// run; rounds alternate; the figure is the median of all rounds, with the lowest and the highest. ops.mts races single ops.
//
// After ./setup.sh: node scripts/run.mjs bench/peers main --workload NAME
//
//   --workload NAME    mlp, lenet, vgg, resnet20, conv1d or tiny (default: mlp), as bench/workloads.mts defines them
//   --device cpu       or cuda
//   --rounds 7         after one to warm up
//   --seconds 2        of each training; predictions take half of it
//   --seeds 0          for how many seeds the test accuracy after one epoch is measured (mlp and lenet)
//   --modes LIST       of neurite: highest, high, medium, mixed_bfloat16 (default: without medium)
//   --peers LIST       of PyTorch: float32, float32-compile, bfloat16, bfloat16-compile; on a GPU also tf32, tf32-compile (default: all)
//   --filter WORD      only races whose title contains WORD: training, prediction, accuracy, memory
//   --json             writes bench/results/peers-<workload>-<machine>.json; races that did not run keep their figures from before
import { parseArgs } from 'node:util'
import { devices } from 'neurite'
import { type Spread, si, spread, table, withSpread } from '../statistics.mjs'
import { type WorkloadName, workloads } from '../workloads.mjs'
import { hasOnnxruntime, jemalloc, nodeRacer, pythonRacer, type Racer } from './racer.mjs'
import { writeResults } from './results.mjs'

const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', default: 'mlp' },
    device: { type: 'string', default: 'cpu' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    seeds: { type: 'string', default: '0' },
    modes: { type: 'string', default: 'highest,high,mixed_bfloat16' },
    peers: { type: 'string' },
    filter: { type: 'string', default: '' },
    json: { type: 'boolean', default: false }
  }
})
const workload = options.workload as WorkloadName
if (!(workload in workloads)) throw new Error(`expected --workload to be one of ${Object.keys(workloads).join(', ')}, received ${workload}`)
const { title: description, predicts, samples } = workloads[workload]
const [rounds, seconds, seeds] = [options.rounds, options.seconds, options.seeds].map(Number) as [number, number, number]
process.env.NEURITE_DEVICE = options.device // of all contenders
const device = devices().find(({ name }) => name === options.device)
if (!device?.usable) throw new Error(`${options.device} is not usable: ${device?.reason ?? 'there is no such device'}`)
const onGpu = device.type === 'cuda'
const kinds = onGpu ? ['float32', 'tf32', 'bfloat16'] : ['float32', 'bfloat16']
const peerModes = options.peers?.split(',') ?? kinds.flatMap((kind) => [kind, `${kind}-compile`])
const wanted = (title: string) => title.includes(options.filter!)
const listed = (list: string) => list.split(',').filter((item) => item !== '')

/** Starts these contenders, lets them do something, and ends them. */
async function among<R>(contenders: (() => Racer)[], race: (racers: Racer[]) => Promise<R>): Promise<R> {
  const racers = contenders.map((start) => start())
  for (const racer of racers) await racer.answer()
  const result = await race(racers)
  for (const racer of racers) racer.end()
  return result
}

const trainers = [
  ...listed(options.modes!).map((mode) => () => nodeRacer(`neurite ${mode}`, 'neurite-contender', workload, mode)),
  ...peerModes.filter((mode) => mode !== '').map((mode) => () => pythonRacer(`PyTorch ${mode}`, 'torch_contender.py', workload, mode))
]
const predictors = [
  ...trainers,
  ...(hasOnnxruntime && !onGpu ? [() => nodeRacer('onnxruntime-node', 'onnxruntime-contender', workload)] : [])
]
/** What it computes in. On a CPU only products on AMX tell `high` from float32, and PyTorch has nothing like it. */
const kindOf = ({ name }: Racer) => (name.includes('bfloat16') ? 'bfloat16' : onGpu && /high$|medium|tf32/.test(name) ? 'tf32' : 'float32')
const sameKind = (a: Racer, b: Racer) => kindOf(a) === kindOf(b)
const isPeer = ({ name }: Racer) => !name.startsWith('neurite')

type Result = Spread & { cores?: number }
const results: Record<string, Record<string, Result>> = {}

/** Asks all in turn, `rounds` times after one round to warm up. */
async function race(title: string, question: string, racers: Racer[]): Promise<void> {
  const rates = new Map<Racer, number[]>(racers.map((racer) => [racer, []]))
  const cores = new Map<Racer, number[]>(racers.map((racer) => [racer, []]))
  for (let round = -1; round < rounds; round++) {
    for (const racer of racers) {
      const answer = await racer.ask(question)
      if (round < 0) continue
      rates.get(racer)!.push(answer.rate)
      cores.get(racer)!.push(answer.cores)
    }
  }
  const result = (racer: Racer) => ({ ...spread(rates.get(racer)!), cores: spread(cores.get(racer)!).median })
  results[title] = Object.fromEntries(racers.map((racer) => [racer.name, result(racer)]))
  const rows = racers.map((racer) => {
    const { cores: used, ...rate } = result(racer)
    const peers = racers.filter((other) => isPeer(other) && sameKind(racer, other))
    const best = peers.length > 0 ? (rate.median / Math.max(...peers.map((peer) => result(peer).median))).toFixed(2) : ''
    return [racer.name, withSpread(rate), best, used.toFixed(2)]
  })
  console.log(`\n${title}: samples/s\n${table(['contender', 'median (range)', '÷ best peer of its kind', 'cores used'], rows)}`)
}

/** Test accuracy after one epoch, for seeds 1, 2, …; what is compiled computes the same and is left out. */
async function accuracies(title: string, racers: Racer[]): Promise<void> {
  results[title] = {}
  const rows: string[][] = []
  for (const racer of racers.filter(({ name }) => !name.endsWith('compile'))) {
    const values: number[] = []
    for (let seed = 1; seed <= seeds; seed++) values.push((await racer.ask(`accuracy ${seed}`)).accuracy)
    const { low, high } = spread(values)
    const mean = { median: values.reduce((a, b) => a + b) / seeds, low, high }
    results[title][racer.name] = mean
    rows.push([racer.name, withSpread(mean, (value) => value.toFixed(4))])
  }
  console.log(`\n${table([title, `mean of ${seeds} seeds (range)`], rows)}`)
}

/** The resident memory of each contender after some training, in a process that has done nothing else. */
async function peakMemory(title: string): Promise<void> {
  results[title] = {}
  const rows: string[][] = []
  for (const start of trainers) {
    const { name, bytes } = await among([start], async ([racer]) => {
      let bytes = 0
      for (let i = 0; i < 3; i++) bytes = (await racer!.ask('train 1')).peakBytes
      return { name: racer!.name, bytes }
    })
    results[title][name] = spread([bytes])
    rows.push([name, `${si(bytes)}B`])
  }
  console.log(`\n${table([title, ''], rows)}`)
}

console.log(
  `${description} on ${device.description}, ${rounds} rounds of ${seconds} s; PyTorch with ${jemalloc ? 'jemalloc' : 'memory kept by glibc'}`
)
if (!onGpu && !device.capability!.includes('amx'))
  console.log('Without AMX, products of float32 are the same in the modes highest, high and medium.')
if (wanted('training')) await among(trainers, (racers) => race('training', `train ${seconds}`, racers))
for (const batch of [predicts, 1].filter((size) => wanted(`prediction of ${size}`)))
  await among(predictors, (racers) => race(`prediction of ${batch}`, `predict ${batch} ${seconds / 2}`, racers))
if (seeds > 0 && samples === undefined && wanted('accuracy')) await among(trainers, (racers) => accuracies('accuracy, mean', racers))
if (wanted('memory') && !onGpu) await peakMemory('peak memory of training')

if (options.json) writeResults(workload, device, results)
