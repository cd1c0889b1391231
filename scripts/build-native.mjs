// Builds the addon: cmake-js when there is a CMake, else node-gyp (CPU only). With --emulator: CMake alone, the CUDA kernels on the emulator,
// into build/emulator. NEURITE_CUDA and NEURITE_CUDA_ARCHS choose what CMakeLists.txt does about CUDA.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const jobs = String(process.env.NEURITE_BUILD_JOBS || availableParallelism())

const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
const run = (command, args, env = process.env) => spawnSync(command, args, { cwd: root, stdio: 'inherit', env }).status === 0
const bin = (name, file) => join(dirname(require.resolve(`${name}/package.json`)), file)

/** A cache of compiled objects where there is one: in a checkout the same files are built again and again. */
function environment() {
  const env = { ...process.env }
  if (existsSync(join(root, '.git')) && has('ccache')) {
    env.CCACHE_BASEDIR ||= root
    env.CCACHE_NOHASHDIR ||= '1'
    for (const language of ['CXX', 'CUDA']) env[`CMAKE_${language}_COMPILER_LAUNCHER`] ||= 'ccache'
  }
  return env
}

export function buildWithCMake() {
  const cmakeJs = bin('cmake-js', 'bin/cmake-js')
  const env = environment()
  const settings = ['NEURITE_CUDA', 'NEURITE_CUDA_ARCHS'].map((name) => `--CD${name}=${env[name] || 'auto'}`)
  const common = ['--out', 'build', '--log-level', 'error']
  return (
    run(process.execPath, [cmakeJs, 'configure', ...common, ...settings], env) &&
    run(process.execPath, [cmakeJs, 'build', ...common, '--parallel', jobs], env)
  )
}

export function buildWithNodeGyp() {
  const prefix = dirname(dirname(process.execPath))
  const nodedir = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : []
  return run(process.execPath, [bin('node-gyp', 'bin/node-gyp.js'), 'rebuild', `--jobs=${jobs}`, ...nodedir])
}

export function buildEmulator() {
  const folder = 'build/emulator'
  const generator = !existsSync(join(root, folder, 'CMakeCache.txt')) && has('ninja') ? ['-G', 'Ninja'] : []
  const env = environment()
  return (
    run('cmake', ['-S', '.', '-B', folder, '-DNEURITE_EMULATOR=ON', ...generator], env) &&
    run('cmake', ['--build', folder, '--target', 'neurite', '--parallel', jobs], env)
  )
}

export const hasCMake = () => has('cmake')

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const build = process.argv.includes('--emulator') ? buildEmulator : hasCMake() ? buildWithCMake : buildWithNodeGyp
  process.exitCode = build() ? 0 : 1
}
