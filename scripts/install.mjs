// Runs at `npm install`. In a checkout: builds the addon and the TypeScript, incrementally. In an installed package: uses the bundled
// binary if there is one that loads, else builds from source.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildNative } from './build-native.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const checkout = existsSync(join(root, 'lib'))

/** Whether the package came with a binary that works here. Tried in another process, so that a crash does not end the installation. */
function bundled() {
  if (!existsSync(join(root, 'prebuilds'))) return false
  return (
    spawnSync(process.execPath, ['-e', 'require(process.argv[1]).load()', join(root, 'dist/load.js')], { stdio: 'ignore' }).status === 0
  )
}

function fail() {
  console.error(`
neurite could not be built for ${process.platform} ${process.arch}, Node ${process.version}. What to do:
  1. Install a C++20 compiler: g++ 11 or clang 15, or newer (Debian, Ubuntu: apt-get install g++ make; macOS: xcode-select --install).
  2. Install CMake 3.22 or newer (apt-get install cmake, brew install cmake, pip install cmake). Without it node-gyp is used: that needs
     Python 3 and make, and builds no CUDA.
  3. If CUDA stopped the build, set NEURITE_CUDA=off, or install the CUDA toolkit 12.8 or newer.
  4. Read the compiler's first error above, then try again: npm rebuild neurite.
On Windows, use WSL 2.`)
  process.exit(1)
}

if (process.platform === 'win32') fail()
if ((checkout || !bundled()) && !buildNative()) fail()
if (checkout && existsSync(join(root, 'node_modules/typescript'))) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build-ts.mjs')], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
