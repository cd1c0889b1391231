// npm run test:native: builds and runs the tests that need no Node (test/native), for every instruction set that this CPU has.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTarget } from './build-native.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const needs = { baseline: [], avx2: ['avx2', 'fma', 'f16c'], avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'] }
const flags =
  process.platform === 'linux'
    ? readFileSync('/proc/cpuinfo', 'utf8')
        .match(/^(flags|Features).*$/m)?.[0]
        .split(/\s+/)
    : []
let failed = !buildTarget('native_tests')

for (const name of failed ? [] : readdirSync(join(root, 'build/native'))) {
  const [, set] = name.match(/-test-(\w+)$/) ?? []
  if (!set) continue
  const missing = needs[set].filter((flag) => !flags.includes(flag))
  if (missing.length > 0) {
    console.log(`${name}: not run, this CPU lacks ${missing.join(', ')}`)
    continue
  }
  // Matrix products and convolutions once more with the scalar twin of the tile unit, and with dot products of bfloat16 pairs.
  const units = /^(gemm|conv-tiles)-test/.test(name) ? ['amx-emulated'] : []
  if (name === 'gemm-test-avx512' && flags.includes('avx512_bf16')) units.push('avx512bf16')
  for (const cpu of [undefined, ...units]) {
    console.log(cpu ? `${name}, NEURITE_CPU=${cpu}` : name)
    const env = { ...process.env, ...(cpu && { NEURITE_CPU: cpu }) }
    if (spawnSync(join(root, 'build/native', name), { stdio: 'inherit', env }).status !== 0) failed = true
  }
}
process.exitCode = failed ? 1 : 0
