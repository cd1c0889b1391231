// The command line of the examples: `npm run example NAME -- --epochs 1 --samples 1000`.
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** The numbers and texts that the command line gives, else the defaults, and the folder for what is drawn (`--folder`). */
export function options<N extends Record<string, number>, T extends Record<string, string> = Record<never, string>>(
  name: string,
  numbers: N,
  texts?: T
): { numbers: N; texts: T; folder: string } {
  const defaults: Record<string, number | string> = { ...numbers, ...texts, folder: join(tmpdir(), `neurite-${name}`) }
  const { values } = parseArgs({ options: Object.fromEntries(Object.keys(defaults).map((key) => [key, { type: 'string' as const }])) })
  const given = { ...defaults, ...values } as Record<string, string>
  const pick = (keys: object, convert: (text: string) => unknown): unknown =>
    Object.fromEntries(Object.keys(keys).map((key) => [key, convert(given[key]!)]))
  mkdirSync(given.folder!, { recursive: true })
  return { numbers: pick(numbers, Number) as N, texts: pick(texts ?? {}, String) as T, folder: given.folder! }
}
