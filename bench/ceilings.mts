// The ceilings of the CPU, measured between the rounds of what they limit by bench/native/ceilings.cc, which a compiler of this machine
// builds when it is first asked.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'bench/native/ceilings.cc')
const program = join(root, 'build/bench/ceilings')

/** Arrays that a kernel reads and writes once each, and how many floats each has. */
export interface Streams {
  reads: number
  writes: number
  floats: number
}

export class Ceilings {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  /** Undefined where there is no compiler. */
  static start(threads: number): Ceilings | undefined {
    if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
      mkdirSync(dirname(program), { recursive: true })
      const { status } = spawnSync('c++', ['-std=c++20', '-O3', '-march=native', '-pthread', source, '-o', program], { stdio: 'inherit' })
      if (status !== 0) return undefined
    }
    return new Ceilings(threads)
  }

  private constructor(threads: number) {
    this.#child = spawn(program, [String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async #ask(question: string): Promise<number> {
    this.#child.stdin!.write(`${question}\n`)
    return Number((await this.#lines.next()).value)
  }

  /** FLOP/s of float32 multiply-adds on registers, all threads, now. */
  flops(): Promise<number> {
    return this.#ask('fma')
  }

  /** Seconds that a plain loop takes with the same streams, now. */
  seconds({ reads, writes, floats }: Streams): Promise<number> {
    return this.#ask(`streams ${reads} ${writes} ${floats}`)
  }

  end(): void {
    this.#child.kill()
  }
}
