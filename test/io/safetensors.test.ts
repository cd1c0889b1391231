// The safetensors reader and writer, against a file made by Python's package and against files that are broken in every way.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callbacks, layers, sequential, zeros } from '../../lib'
import { SafetensorsFile, type TensorData, writeSafetensors } from '../../lib/io/safetensors'
import { fromSources } from '../support/from-sources'
import golden from './safetensors.golden.json'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
function write(bytes: Uint8Array): string {
  const path = join(folder, `${count++}.safetensors`)
  writeFileSync(path, bytes)
  return path
}
function file(header: unknown, data = new Uint8Array(0), length?: bigint): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const start = Buffer.alloc(8)
  start.writeBigUInt64LE(length ?? BigInt(json.length))
  return write(Buffer.concat([start, json, data]))
}
async function readAll(path: string) {
  const f = await SafetensorsFile.open(path)
  const tensors: Record<string, unknown> = {}
  for (const { name, dtype, shape } of f.tensors) {
    tensors[name] = { dtype, shape, data: Buffer.from(await f.read(name)).toString('base64') }
  }
  await f.close()
  return { metadata: Object.fromEntries(f.metadata), tensors }
}

test("reads what Python's package wrote", async () => {
  const { metadata, tensors } = await readAll(write(Buffer.from(golden.file, 'base64')))
  expect(metadata).toEqual(golden.metadata)
  expect(tensors).toEqual(golden.tensors)
})

test('writes what it reads, aligned and without holes', async () => {
  const path = join(folder, 'out.safetensors')
  const tensors = Object.entries(golden.tensors).map(([name, t]) => ({ ...t, name, data: Buffer.from(t.data, 'base64') }) as TensorData)
  await writeSafetensors(path, tensors, golden.metadata)
  expect(await readAll(path)).toEqual({ metadata: golden.metadata, tensors: golden.tensors })
  const bytes = readFileSync(path)
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString())
  expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0)
  for (const name of ['dense/kernel', 'counts', 'scalar']) expect(header[name].data_offsets[0] % 4).toBe(0)
  expect(header.half.data_offsets[0] % 2).toBe(0)
})

test('a file without tensors or metadata', async () => {
  const path = join(folder, 'none.safetensors')
  await writeSafetensors(path, [])
  expect(await readAll(path)).toEqual({ metadata: {}, tensors: {} })
})

const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({ dtype, shape, data_offsets: [begin, end] })
const bytes = (n: number) => new Uint8Array(n)
test.each<[string, () => string, RegExp]>([
  ['empty', () => write(bytes(0)), /is empty/],
  ['shorter than a length', () => write(bytes(5)), /truncated: it has 5 bytes/],
  ['a zip archive', () => write(Buffer.from('PK\x03\x04 not a model')), /zip archive/],
  ['an HDF5 file', () => write(Buffer.from('\x89HDF\r\n\x1a\n and more', 'latin1')), /HDF5/],
  ['a length out of this world', () => file({}, bytes(0), 2n ** 60n), /lies about its length: 1152921504606846976 bytes in a file of 10/],
  ['a length past the end', () => file({}, bytes(0), 99n), /truncated, or its header lies about its length: 99 bytes in a file of 10/],
  ['no JSON', () => file('{"a"'), /not JSON/],
  ['bytes that are no UTF-8', () => write(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])), /not JSON/],
  ['a list', () => file([]), /expected the header to be an object/],
  ['an entry that is no object', () => file({ a: 3 }), /"a" to be an object/],
  ['metadata that is no string', () => file({ __metadata__: { a: 1 } }), /metadata "a" to be a string/],
  ['a dtype that there is not', () => file({ a: entry([1], 0, 4, 'F77') }, bytes(4)), /"a": expected a dtype of F32, .* received "F77"/],
  ['a negative size', () => file({ a: entry([-1], 0, 4) }, bytes(4)), /"a": expected the shape .* received \[-1\]/],
  ['a fraction of a size', () => file({ a: entry([0.5], 0, 2) }, bytes(2)), /"a": expected the shape .* received \[0.5\]/],
  ['no offsets', () => file({ a: { dtype: 'F32', shape: [1] } }, bytes(4)), /"a": expected two data_offsets/],
  ['offsets that do not fit the shape', () => file({ a: entry([2], 0, 4) }, bytes(4)), /"a": \[2\] of float32 needs 8 bytes, .* give 4/],
  ['sizes whose product is enormous', () => file({ a: entry([2 ** 40, 2 ** 40], 0, 4) }, bytes(4)), /needs 4\.8\d+e\+24 bytes/],
  ['offsets backwards', () => file({ a: entry([1], 4, 0) }, bytes(4)), /needs 4 bytes, its data_offsets give -4/],
  ['a hole', () => file({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, bytes(12)), /hole before tensor "b"/],
  ['a hole at the start', () => file({ a: entry([1], 4, 8) }, bytes(8)), /hole before tensor "a"/],
  ['an overlap', () => file({ a: entry([2], 0, 8), b: entry([1], 4, 8) }, bytes(8)), /overlap tensor "b"/],
  ['data that are cut', () => file({ a: entry([2], 0, 8) }, bytes(5)), /truncated: it ends 3 bytes early/],
  ['bytes behind the data', () => file({ a: entry([1], 0, 4) }, bytes(9)), /last 5 bytes belong to no tensor/]
])('%s is a FormatError', async (_what, make, message) => {
  await expect(SafetensorsFile.open(make())).rejects.toMatchObject({ name: 'FormatError', message: expect.stringMatching(message) })
})

test('a file that is not there, a folder', async () => {
  const missing = join(folder, 'nothing-here')
  await expect(SafetensorsFile.open(missing)).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: expect.stringContaining(missing)
  })
  await expect(SafetensorsFile.open(folder)).rejects.toMatchObject({ name: 'FormatError', message: expect.stringMatching(/not a file/) })
  await expect(writeSafetensors(join(folder, 'no/such/folder'), [])).rejects.toMatchObject({ name: 'FileNotFoundError' })
})

test('what the system says about a file is kept as the cause', async () => {
  const file = join(folder, 'a-file')
  await writeSafetensors(file, [])
  const within = join(folder, 'a-folder')
  mkdirSync(within)
  const long = join(folder, 'x'.repeat(300))
  const refused = (run: Promise<unknown>, path: string, action: string, code: string) =>
    expect(run).rejects.toMatchObject({
      name: 'FileError',
      message: expect.stringContaining(`${path} cannot be ${action}: ${code}`),
      cause: { code }
    })
  await refused(writeSafetensors(join(file, 'below'), []), join(file, 'below'), 'written', 'ENOTDIR')
  await refused(writeSafetensors(within, []), within, 'written', 'EISDIR')
  await refused(writeSafetensors(long, []), long, 'written', 'ENAMETOOLONG')
  await refused(SafetensorsFile.open(long), long, 'read', 'ENAMETOOLONG')
  const checkpoint = callbacks.modelCheckpoint({ filepath: join(file, 'deep/er'), saveWeightsOnly: true })
  const net = sequential([layers.dense({ units: 1, inputShape: [1] })])
  net.compile({ loss: 'mse' })
  const fitted = net.fit(zeros([1, 1]), zeros([1, 1]), { verbose: 0, callbacks: [checkpoint] })
  await refused(fitted, join(file, 'deep/er'), 'written', 'ENOTDIR')
  expect(readdirSync(within)).toEqual([])
})

test('a failing write leaves the old file and nothing else', async () => {
  const inside = join(folder, 'inside')
  mkdirSync(inside)
  const path = join(inside, 'm.safetensors')
  await writeSafetensors(path, [], { which: 'old' })
  const old = readFileSync(path)
  const one = { name: 'a', dtype: 'float32' as const, shape: [1], data: new Float32Array(1) }
  const wrong = { ...one, data: { buffer: new ArrayBuffer(4), byteOffset: 2, byteLength: 4 } as unknown as ArrayBufferView }
  await expect(writeSafetensors(path, [one, one])).rejects.toThrow(/two tensors of the name "a"/)
  await expect(writeSafetensors(path, [{ ...one, shape: [2] }])).rejects.toThrow(/expected 8 bytes of data, received 4/)
  await expect(writeSafetensors(path, [wrong])).rejects.toThrow()
  expect(readFileSync(path)).toEqual(old)
  expect(readdirSync(inside)).toEqual(['m.safetensors'])
})

test('replaces the file that a symbolic link points to and keeps its mode', async () => {
  const target = join(folder, 'target')
  const link = join(folder, 'link')
  writeFileSync(target, '', { mode: 0o640 })
  symlinkSync(target, link)
  await writeSafetensors(link, [], { a: 'b' })
  expect((await readAll(target)).metadata).toEqual({ a: 'b' })
  expect(statSync(target).mode & 0o777).toBe(0o640)
  expect(existsSync(link)).toBe(true)
})

test('what a process killed while it writes leaves behind goes with the next write', async () => {
  const home = mkdtempSync(join(folder, 'killed-'))
  const path = join(home, 'model.safetensors')
  await writeSafetensors(path, [], { which: 'old' })
  const program = fromSources(`
    function* parts() {
      yield Buffer.from('the first part')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
    lib('io/write-whole').writeWhole(process.argv[1], parts())
  `)
  const child = spawn(process.execPath, ['-e', program, path], { stdio: 'inherit' })
  const temporaries = () => readdirSync(home).filter((name) => name.endsWith('.tmp'))
  while (temporaries().length === 0 && child.exitCode === null) await new Promise((later) => setTimeout(later, 1))
  // While the process lives its file is left alone.
  await writeSafetensors(path, [], { which: 'new' })
  expect(temporaries().length).toBe(1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(temporaries().length).toBe(1)
  expect((await readAll(path)).metadata).toEqual({ which: 'new' })
  await writeSafetensors(path, [], { which: 'newest' })
  expect(readdirSync(home)).toEqual(['model.safetensors'])
})
