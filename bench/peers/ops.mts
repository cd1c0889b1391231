// Races single layers of known convolutional networks (bench/networks.mts), each direction by itself, against PyTorch (oneDNN) on the same work in
// one run. neurite runs in this process, PyTorch in one of its own, and the ceiling of the machine is measured in between; rounds alternate.
//
// After ./setup.sh: node scripts/run.mjs bench/peers ops
//
//   --filter WORD     only cases whose name contains WORD: W2, W3, W4, W6, ResNet-50, MobileNet, conv, depthwise, Pool, batchNorm, forward, gradient, …
//   --mode NAME       highest, high, medium (float32) or bfloat16 (default: highest)
//   --rounds 5        of each case
//   --seconds 0.1     of each round
//   --json            writes bench/results/peers-ops-<machine>.json; cases that did not run keep their figures from before
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { devices, type Precision, setDevice, setPrecision } from 'neurite'
import { Ceilings } from '../ceilings.mjs'
import { caseName, layerCase } from '../layer-cases.mjs'
import { rateOf, Stopwatch, shareOf } from '../measure.mjs'
import { beforeOf, directionsOf, nameOf, networkLayers, outputSize } from '../networks.mjs'
import { type Spread, si, spread, table, withSpread } from '../statistics.mjs'
import { pythonRacer } from './racer.mjs'
import { writeResults } from './results.mjs'

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    mode: { type: 'string', default: 'highest' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '0.1' },
    json: { type: 'boolean', default: false }
  }
})
const mode = options.mode as Precision | 'bfloat16'
const dtype = mode === 'bfloat16' ? mode : 'float32'
const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)]
setDevice('cpu')
if (mode !== 'bfloat16') setPrecision(mode)
const threads = Number(process.env.NEURITE_NUM_THREADS) || cpus().length
const ceilings = Ceilings.start(threads)
if (ceilings === undefined) throw new Error('a C++ compiler is needed to measure the ceilings')
const torch = pythonRacer('PyTorch', 'torch_ops.py')
const { ready } = await torch.answer()
console.log(`${mode}, ${threads} threads on ${devices()[0]!.description}, beside ${ready}: ${rounds} rounds of ${seconds} s`)
console.log(`float32 multiply-adds on registers: ${si(await ceilings.flops())}FLOP/s\n`)

const results: Record<string, Record<string, Spread & { share?: number }>> = {}
const head = ['case', 'time (range)', 'rate', 'of ceiling', 'PyTorch (range)', 'rate', 'times as fast']
const rows: string[][] = []
for (const layer of networkLayers) {
  for (const direction of directionsOf(layer)) {
    const name = caseName(layer, direction, dtype)
    if (!name.includes(options.filter!)) continue
    const opCase = layerCase(layer, direction, dtype)
    const before = 'stride' in layer ? beforeOf(layer) : 0
    const question = JSON.stringify({ ...layer, direction, dtype, outputSize: outputSize(layer), before })
    const stopwatch = await Stopwatch.of(opCase, seconds)
    await torch.ask(`layer ${seconds} ${question}`)
    const [own, theirs, shares]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < rounds; round++) {
      own.push(await stopwatch.seconds())
      shares.push((await shareOf(opCase, own.at(-1)!, ceilings))!)
      theirs.push(1 / (await torch.ask(`layer ${seconds} ${question}`)).rate)
    }
    const [time, share, other] = [spread(own), spread(shares).median, spread(theirs)]
    results[`${nameOf(layer)}: ${direction}, ${mode}`] = { neurite: { ...time, share }, PyTorch: other }
    const inSeconds = (value: number) => `${si(value)}s`
    rows.push([
      name,
      withSpread(time, inSeconds),
      rateOf(opCase, time.median),
      `${(100 * share).toFixed(0)} %`,
      withSpread(other, inSeconds),
      rateOf(opCase, other.median),
      (other.median / time.median).toFixed(2)
    ])
    process.stderr.write('.')
  }
}
console.log(table(head, rows))
torch.end()
ceilings.end()
if (options.json) writeResults('ops', devices()[0]!, results)
