// npm test: all suites on the CPU (and a GPU if there is one), then on `cuda` through the emulator build, which needs no GPU.
// npm run test:gpu: the suites on a real GPU only, then the conformance suite of the emulator there, if nvcc can build it. Further arguments go to jest: `npm test -- ops/matmul`.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildEmulator, buildGpuSuite, hasCMake } from './build-native.mjs'

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const jest = join(dirname(require.resolve('jest/package.json')), 'bin/jest.js')
const args = process.argv.slice(2).filter((arg) => arg !== '--gpu')
let failed = false

/** One jest run. NEURITE_TEST_DEVICES names the devices that the suites use; unset: every usable one. */
function run(title, env) {
  console.log(`\n=== ${title}`)
  const { status } = spawnSync(process.execPath, ['--expose-gc', jest, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env }
  })
  if (status !== 0) failed = true
}

if (process.argv.includes('--gpu')) {
  run('GPU', { NEURITE_TEST_DEVICES: 'cuda' })
  const built = buildGpuSuite()
  if (built === undefined) console.log('\n=== conformance suite on the GPU: not run, since there is no nvcc and CMake to build it')
  else {
    console.log('\n=== conformance suite on the GPU')
    if (!built || spawnSync(join(root, 'build/gpu-suite/suite'), { stdio: 'inherit' }).status !== 0) failed = true
  }
} else {
  run('this machine', {})
  if (!hasCMake()) {
    console.log('\n=== CUDA kernels on the emulator: not run, since there is no CMake to build it')
  } else if (buildEmulator()) {
    run('CUDA kernels on the emulator', { NEURITE_BINARY: join(root, 'build/emulator/neurite.node'), NEURITE_TEST_DEVICES: 'cuda' })
  } else {
    failed = true
  }
}
process.exitCode = failed ? 1 : 0
