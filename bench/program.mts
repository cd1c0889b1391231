// Programs of bench/native that stand alone: a compiler of this machine builds them when they are first asked for.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Path of the program of bench/native/<name>.cc, built anew if it is older than that or the other sources. Undefined where there is no compiler. */
export function buildProgram(name: string, ...otherSources: string[]): string | undefined {
  const source = join(root, 'bench/native', `${name}.cc`)
  const program = join(root, 'build/bench', name)
  const newest = Math.max(...[source, ...otherSources.map((file) => join(root, file))].map((file) => statSync(file).mtimeMs))
  if (existsSync(program) && statSync(program).mtimeMs >= newest) return program
  mkdirSync(dirname(program), { recursive: true })
  const { status } = spawnSync('c++', ['-std=c++20', '-O3', '-march=native', '-pthread', source, '-o', program], { stdio: 'inherit' })
  return status === 0 ? program : undefined
}
