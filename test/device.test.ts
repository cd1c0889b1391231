// Devices, settings, and the environment variable that chooses the default.

import { spawnSync } from 'node:child_process'
import type * as neurite from '../lib'
import { devices, memory, setDevice, setMemoryLimit, setPolicy, setPrecision, synchronize, tensor, zeros } from '../lib'
import { fromSources } from './support/from-sources'

/** The library as a fresh process would have it, with NEURITE_DEVICE set. */
function withDefault(device: string | undefined, body: (fresh: typeof neurite) => void): void {
  const before = process.env.NEURITE_DEVICE
  try {
    if (device === undefined) delete process.env.NEURITE_DEVICE
    else process.env.NEURITE_DEVICE = device
    jest.isolateModules(() => body(require('../lib')))
  } finally {
    if (before === undefined) delete process.env.NEURITE_DEVICE
    else process.env.NEURITE_DEVICE = before
  }
}

test('devices() tells what there is and why what is not usable is not', () => {
  const all = devices()
  expect(all[0]).toMatchObject({ name: 'cpu', type: 'cpu', usable: true, description: expect.any(String), capability: expect.any(String) })
  expect(all[0]!.memory).toBeGreaterThan(1e8)
  for (const device of all.filter((d) => !d.usable)) expect(device.reason).toMatch(/\w+/)
})

test('the default is a usable GPU, else the CPU', () => {
  const expected = devices().find((d) => d.type === 'cuda' && d.usable)?.name ?? 'cpu'
  withDefault(undefined, ({ zeros }) => expect(zeros([1]).device).toBe(expected))
})

test('NEURITE_DEVICE names the default', () => {
  withDefault('cpu', ({ zeros }) => expect(zeros([1]).device).toBe('cpu'))
  withDefault('cuda:9', ({ zeros }) => expect(() => zeros([1])).toThrow(/^\[NEURITE_DEVICE\] there is no device cuda:9; there is cpu/))
})

test('a device that cannot be used is refused with the reason', () => {
  const unusable = devices().find((d) => !d.usable)
  if (unusable) expect(() => setDevice(unusable.name)).toThrow(`[setDevice] ${unusable.name} cannot be used: ${unusable.reason}`)
  expect(() => setDevice('tpu')).toThrow(/^\[setDevice\] there is no device tpu/)
  expect(() => setDevice(0 as never)).toThrow('[setDevice] expected the name of a device, received 0')
})

test.each([
  ['NEURITE_CPU', 'foo', 'NEURITE_CPU: expected baseline, avx2, avx512, avx512bf16 or amx, received foo'],
  ['NEURITE_NUM_THREADS', 'x', 'NEURITE_NUM_THREADS: expected a positive integer, received x']
])('%s=%s is an error that says so, of the command line too', (name, value, message) => {
  const env = { ...process.env, NEURITE_DEVICE: 'cpu', [name]: value }
  const run = (program: string) => spawnSync(process.execPath, ['-e', fromSources(program)], { encoding: 'utf8', env })
  const program = `const { ArgumentError, devices, zeros } = lib('index')
    try { devices(); zeros([1e6]).dataSync() } catch (error) { console.log(error instanceof ArgumentError, error.message) }`
  expect(run(program).stdout).toMatch(new RegExp(`^true \\[\\w+\\] ${message}\n$`))
  const { stdout, stderr, status } = run(`lib('cli').main(['info'])`)
  expect([stdout, stderr, status]).toEqual(['', `[info] ${message}\n`, 1])
})

test('memory counts bytes, which dispose gives back', async () => {
  setDevice('cpu')
  await synchronize()
  const before = memory()
  const t = tensor(new Float32Array(100_000))
  const during = memory()
  expect(during.bytes - before.bytes).toBeGreaterThanOrEqual(400_000)
  expect(during.peak).toBeGreaterThanOrEqual(during.bytes)
  expect(during.pool).toBeGreaterThanOrEqual(during.bytes)
  t.dispose()
  expect(memory().bytes).toBe(before.bytes)
})

test('a limit is at most what the device has', () => {
  setDevice('cpu')
  const { memory: all } = devices()[0]!
  setMemoryLimit(Number.POSITIVE_INFINITY)
  expect(() => zeros([all])).toThrow(`the limit is ${(all / 2 ** 30).toFixed(1)} GiB`)
})

test.each([
  ['a precision', () => setPrecision('exact' as 'high'), '[setPrecision] expected "highest", "high" or "medium", received "exact"'],
  [
    'a policy',
    () => setPolicy('mixed_float16' as 'float32'),
    '[setPolicy] expected "float32" or "mixed_bfloat16", received "mixed_float16"'
  ],
  ['a limit', () => setMemoryLimit(Number.NaN), '[setMemoryLimit] expected a positive number of bytes, received NaN'],
  ['a limit in words', () => setMemoryLimit('1e9' as never), '[setMemoryLimit] expected a positive number of bytes, received "1e9"']
] as const)('refuses %s that there is not', (_what, run, message) => {
  expect(run).toThrow(expect.objectContaining({ name: 'ArgumentError', message }))
})
