// Builds the standalone suite in every variant and runs it in the matrix of schedules, asynchrony and devices.
//
//   node test/cuda-emulator/matrix.mjs [--variants none,address,undefined,thread] [--build build/emulator-suite]
//                                      [--quick] [--no-planted] [case name...]
//
// --quick runs each variant once. Prints one line per run, and everything a failing run said.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const options = parse(process.argv.slice(2))

function parse(args) {
  const parsed = {
    variants: ['none', 'address', 'undefined', 'thread'],
    build: resolve(folder, '../../build/emulator-suite'),
    cases: [],
    quick: false,
    planted: true
  }
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--variants') parsed.variants = args[++i].split(',')
    else if (args[i] === '--build') parsed.build = resolve(args[++i])
    else if (args[i] === '--quick') parsed.quick = true
    else if (args[i] === '--no-planted') parsed.planted = false
    else if (args[i].startsWith('--')) throw new Error(`unknown option ${args[i]}`)
    else parsed.cases.push(args[i])
  }
  return parsed
}

// Every pair of schedule and asynchrony; devices, seeds, the way sums are rounded and the allocator take turns.
function plainRuns() {
  const devices = ['90', '75', '89', '80', '86', '100', '120']
  const runs = []
  for (const schedule of ['fifo', 'lifo', 'random'])
    for (const timing of ['late', 'early', 'random']) {
      const n = runs.length
      runs.push({
        EMU_SCHED: schedule,
        ...(schedule === 'random' && { EMU_SEED: String(n) }),
        EMU_ASYNC: timing,
        EMU_DEVICE: devices[n % devices.length],
        EMU_MMA: n % 2 === 0 ? 'rn' : 'rz',
        EMU_ALLOC: n % 4 === 0 ? 'cached' : 'exact'
      })
    }
  return runs
}

const sanitizerRuns = [{}, { EMU_SCHED: 'random', EMU_ASYNC: 'early', EMU_DEVICE: '75' }]

function runsOf(variant) {
  if (options.quick || variant === 'thread') return [{}]
  return variant === 'none' ? plainRuns() : sanitizerRuns
}

// Planted bugs: in each schedule, since what a schedule can miss differs.
function plantedRunsOf(variant) {
  if (variant !== 'none') return [{}]
  return [{ EMU_SCHED: 'fifo' }, { EMU_SCHED: 'lifo' }, { EMU_SCHED: 'random', EMU_SEED: '1' }, { EMU_SCHED: 'random', EMU_SEED: '2' }]
}

function build(variant) {
  const target = join(options.build, variant)
  const generator = spawnSync('ninja', ['--version']).status === 0 && !existsSync(join(target, 'CMakeCache.txt')) ? ['-G', 'Ninja'] : []
  execFileSync('cmake', ['-S', folder, '-B', target, `-DNEURITE_EMULATOR_SANITIZER=${variant}`, ...generator], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const made = spawnSync('cmake', ['--build', target, '--parallel', '2'], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`${variant} does not build:\n${made.stdout}${made.stderr}`)
  return join(target, 'suite')
}

// ThreadSanitizer needs the address space as it is without randomization.
function run(variant, program, args, settings) {
  const command = variant === 'thread' ? ['setarch', '-R', program, ...args] : [program, ...args]
  const env = { ...process.env, TSAN_OPTIONS: 'halt_on_error=1', UBSAN_OPTIONS: 'print_stacktrace=1', ...settings }
  const started = Date.now()
  const { status, signal, stdout, stderr } = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8', maxBuffer: 1 << 26 })
  const label = [variant, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`), ...args].join(' ')
  const summary = (stdout ?? '').trim().split('\n').at(-1)
  const passed = status === 0
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${label}: ${summary} (${((Date.now() - started) / 1000).toFixed(1)} s)`)
  if (!passed) console.log(`${stdout}${stderr}${signal ?? ''}`)
  return passed
}

let failures = 0
for (const variant of options.variants) {
  const program = build(variant)
  for (const settings of runsOf(variant)) if (!run(variant, program, options.cases, settings)) failures++
  if (!options.planted || options.cases.length > 0) continue
  for (const settings of plantedRunsOf(variant)) if (!run(variant, program, ['--planted'], settings)) failures++
}
console.log(failures === 0 ? 'the matrix passed' : `${failures} runs failed`)
process.exitCode = failures === 0 ? 0 : 1
