// Builds the addon into build/Release: cmake-js when there is a CMake, else (or with --node-gyp) node-gyp, without CUDA. NEURITE_CUDA and
// NEURITE_CUDA_ARCHS choose what CMakeLists.txt does about CUDA. With --emulator or --cuda-release: another kind, into a folder of its own.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const jobs = String(process.env.NEURITE_BUILD_JOBS || availableParallelism())

const output = (command) => spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? ''
const run = (command, args, env = process.env) => spawnSync(command, args, { cwd: root, stdio: 'inherit', env }).status === 0
const bin = (name, file) => join(dirname(require.resolve(`${name}/package.json`)), file)

/** A cache of compiled objects where there is one: in a checkout the same files are built again and again. */
function environment() {
  const env = { ...process.env }
  if (existsSync(join(root, '.git')) && output('ccache')) {
    env.CCACHE_BASEDIR ||= root
    env.CCACHE_NOHASHDIR ||= '1'
    for (const language of ['CXX', 'CUDA']) env[`CMAKE_${language}_COMPILER_LAUNCHER`] ||= 'ccache'
  }
  return env
}

/** Whether there is a CMake that is new enough for CMakeLists.txt. */
export function hasCMake() {
  const [, major, minor] = output('cmake').match(/version (\d+)\.(\d+)/) ?? [0, 0, 0]
  return major > 3 || (Number(major) === 3 && minor >= 22)
}

/** Configures; once more from nothing if the folder was configured at another place or with another generator. */
function configured(folder, configure) {
  if (configure()) return true
  if (!existsSync(join(root, folder, 'CMakeCache.txt'))) return false
  console.log(`neurite: configuring ${folder} again from nothing`)
  for (const name of ['CMakeCache.txt', 'CMakeFiles']) rmSync(join(root, folder, name), { recursive: true })
  return configure()
}

/** Both tools build into build/Release: neither may take the other's binary for its own. */
function leave(marker) {
  const file = join(root, 'build', marker)
  if (existsSync(file)) for (const stale of [file, join(root, 'build/Release/neurite.node')]) rmSync(stale, { force: true })
}

function buildWithCMake() {
  leave('config.gypi')
  const env = environment()
  const cmakeJs = (command, ...args) =>
    run(process.execPath, [bin('cmake-js', 'bin/cmake-js'), command, '--out', 'build', '--log-level', 'error', ...args], env)
  const settings = ['NEURITE_CUDA', 'NEURITE_CUDA_ARCHS'].map((name) => `--CD${name}=${env[name] || 'auto'}`)
  return configured('build', () => cmakeJs('configure', ...settings)) && cmakeJs('build', '--parallel', jobs)
}

function buildWithNodeGyp() {
  if (process.env.NEURITE_CUDA === 'on') {
    console.error('neurite: NEURITE_CUDA=on, but node-gyp builds without CUDA, and there is no CMake 3.22 or newer')
    return false
  }
  console.log('neurite: built by node-gyp, without CUDA')
  leave('CMakeCache.txt')
  const prefix = dirname(dirname(process.execPath))
  const headers = !process.env.npm_config_nodedir && existsSync(join(prefix, 'include/node/node_api.h'))
  const args = ['configure', 'build', `--jobs=${jobs}`, '--loglevel=warn', ...(headers ? [`--nodedir=${prefix}`] : [])]
  return run(process.execPath, [bin('node-gyp', 'bin/node-gyp.js'), ...args])
}

/** Builds the addon by CMake alone into FOLDER/neurite.node, with further settings. */
function buildInto(folder, ...settings) {
  const env = environment()
  const generator = output('ninja') ? ['-G', 'Ninja'] : []
  const place = `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(root, folder)}`
  return (
    configured(folder, () => run('cmake', ['-S', '.', '-B', folder, place, ...generator, ...settings], env)) &&
    run('cmake', ['--build', folder, '--target', 'neurite', '--parallel', jobs], env)
  )
}

/** The addon whose `cuda` device is the emulator of test/cuda-emulator, into build/emulator. */
export function buildEmulator() {
  return buildInto('build/emulator', '-DNEURITE_EMULATOR=ON')
}

/** The conformance suite of test/cuda-emulator for a real GPU, as build/gpu-suite/suite; undefined if there is no nvcc to build it. */
export function buildGpuSuite(archs = 'native') {
  const nvcc = [process.env.CUDACXX, 'nvcc', '/usr/local/cuda/bin/nvcc'].find((command) => command && output(command))
  if (!nvcc || !hasCMake()) return undefined
  const folder = 'build/gpu-suite'
  const env = { ...environment(), CUDACXX: nvcc }
  const generator = output('ninja') ? ['-G', 'Ninja'] : []
  const configure = ['-S', 'test/cuda-emulator/gpu', '-B', folder, `-DCMAKE_CUDA_ARCHITECTURES=${archs}`, ...generator]
  return configured(folder, () => run('cmake', configure, env)) && run('cmake', ['--build', folder, '--parallel', jobs], env)
}

/** A further target of CMakeLists.txt, in the folder of the usual build. */
export function buildTarget(target) {
  return buildWithCMake() && run('cmake', ['--build', 'build', '--target', target, '--parallel', jobs])
}

/** What this machine can build. */
export function buildNative() {
  return hasCMake() ? buildWithCMake() : buildWithNodeGyp()
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const cuda = process.env.NEURITE_CUDA || 'auto'
  if (!['auto', 'on', 'off'].includes(cuda)) {
    console.error(`neurite: expected NEURITE_CUDA to be auto, on or off, received ${cuda}`)
    process.exit(2)
  }
  const builds = {
    '--emulator': buildEmulator,
    '--node-gyp': buildWithNodeGyp,
    '--cuda-release': () => buildInto('build/cuda-release', '-DNEURITE_CUDA=on', '-DNEURITE_CUDA_ARCHS=release')
  }
  process.exitCode = (builds[process.argv[2]] ?? buildNative)() ? 0 : 1
}
