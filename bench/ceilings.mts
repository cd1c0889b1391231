// The ceilings of the CPU, measured between the rounds of what they limit by bench/native/ceilings.cc.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { buildProgram } from './program.mjs'

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
    const program = buildProgram('ceilings')
    return program === undefined ? undefined : new Ceilings(program, threads)
  }

  private constructor(program: string, threads: number) {
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
