// Finds and loads the native addon: NEURITE_BINARY, else the local build, else the packaged binary. Says what to do when that fails.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LoadError } from './errors'
import type { Native } from './native'

const root = join(__dirname, '..')

/** The addon and the file that it came from. */
export interface Loaded {
  native: Native
  path: string
}

/**
 * Loads the addon. The first file that exists is the one: a broken build is reported, never passed over in silence.
 * @throws LoadError with every path, its error and what to do
 */
export function load(): Loaded {
  const override = process.env.NEURITE_BINARY
  const tried: string[] = []
  for (const path of override ? [resolve(override)] : candidates()) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`)
      continue
    }
    let native: Native
    try {
      native = require(path)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      tried.push(message.startsWith(path) ? message : `${path}: ${message}`)
      throw new LoadError(explain(tried, override), { cause })
    }
    checkHash(native, path)
    return { native, path }
  }
  throw new LoadError(explain(tried, override))
}

function* candidates(): Generator<string> {
  yield join(root, 'build/Release/neurite.node')
  yield join(root, 'build/Debug/neurite.node')
  yield join(root, `prebuilds/${process.platform}-${process.arch}${libc() === 'musl' ? '-musl' : ''}/neurite.node`)
}

/** `glibc` or `musl` on Linux, else the empty string. */
function libc(): string {
  if (process.platform !== 'linux') return ''
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return report.header.glibcVersionRuntime ? 'glibc' : 'musl'
}

/** Such as `linux x64 glibc`. */
export function platform(): string {
  return [process.platform, process.arch, libc()].filter(Boolean).join(' ')
}

function explain(tried: string[], override: string | undefined): string {
  const steps = [
    ...(override ? ['NEURITE_BINARY is set: unset it to use the binary of the package, or point it to one of this version.'] : []),
    'Build it: `npm rebuild neurite`, in a checkout `npm run build`. This needs a C++20 compiler and CMake, or Python 3 and make.',
    'If scripts of dependencies are switched off (pnpm, npm with ignore-scripts), allow them for neurite and install again.',
    'If node_modules was copied from another platform, architecture or container, install again on this one.',
    'If a shared library or GLIBC version is missing, build on this machine, or use a newer system.'
  ]
  return [
    'The native addon of neurite cannot be loaded.',
    `  platform ${platform()}, Node ${process.version}, Node-API ${process.versions.napi}`,
    'Tried:',
    ...tried.map((line) => `  - ${line}`),
    'What to do:',
    ...steps.map((step, i) => `  ${i + 1}. ${step}`)
  ].join('\n')
}

/** The addon and lib/ number the ops by their order in native/ops.def: both must come from the same one. */
function checkHash(native: Native, path: string): void {
  const generated = join(__dirname, 'ops-hash.json')
  const sources = () =>
    createHash('sha256')
      .update(readFileSync(join(root, 'native/ops.def')))
      .digest('hex')
      .slice(0, 16)
  const expected: string = existsSync(generated) ? JSON.parse(readFileSync(generated, 'utf8')) : sources()
  if (native.opsHash === expected) return
  const current = sources()
  const [rebuildAddon, rebuildLibrary] = existsSync(join(root, 'lib'))
    ? ['build it again: `npm run build:native`', 'build it again: `npm run build:ts`']
    : ['build it again: `npm rebuild neurite`', 'install neurite again']
  const old = [
    ...(native.opsHash === current ? [] : [`${path} is old: ${rebuildAddon}`]),
    ...(expected === current ? [] : [`${__dirname} is old: ${rebuildLibrary}`])
  ]
  throw new LoadError(
    `The native addon and the library are of different builds (ops.def ${native.opsHash} in the addon, ${expected} in the library).\n${old.join('\n')}`
  )
}
