// CIFAR-10 and Fashion-MNIST from small files made here; the tar format.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { datasets, memory, type Tensor } from '../../lib'
import { parseTar } from '../../lib/datasets/tar'
import { collected } from '../support/collected'
import { onEveryDevice } from '../support/op-suite'

const root = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(root, { recursive: true }))

let folders = 0
function folder(files: Record<string, Uint8Array>): string {
  const path = join(root, String(folders++))
  mkdirSync(path)
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes)
  return path
}

/** A tar archive; names that end with / are folders. */
function tar(files: Record<string, Uint8Array>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write(name.endsWith('/') ? '5' : '0', 156)
    header.write('ustar\0' + '00', 257)
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/** The value of a colour of a pixel in the image number i. */
const pixel = (i: number, y: number, x: number, c: number): number => (i * 50 + y * 7 + x * 3 + c * 101) % 256

/** Records with these labels, whose images have the numbers `first`, `first + 1`, …. */
function records(labels: readonly number[], first: number): Buffer {
  const image = (i: number): number[] =>
    Array.from({ length: 3072 }, (_, at) => pixel(i, Math.floor(at / 32) % 32, at % 32, Math.floor(at / 1024)))
  return Buffer.from(labels.flatMap((label, i) => [label, ...image(first + i)]))
}

const names = ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin', 'test_batch.bin']
const contents = Object.fromEntries(names.map((name, i) => [name, records(i === 0 ? [9, 3] : [i], i === 0 ? 0 : i + 1)]))
const within = (files: Record<string, Uint8Array>) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`cifar-10-batches-bin/${name}`, bytes]))
const archive = tar({
  'cifar-10-batches-bin/': Buffer.alloc(0),
  'cifar-10-batches-bin/readme.html': Buffer.from('<p>'),
  ...within(contents)
})

async function expectImages(x: Tensor, numbers: readonly number[]): Promise<void> {
  expect(x.dtype).toBe('uint8')
  expect(x.shape).toEqual([numbers.length, 32, 32, 3])
  const expected = numbers.flatMap((i) =>
    Array.from({ length: 3072 }, (_, at) => pixel(i, Math.floor(at / 96), Math.floor(at / 3) % 32, at % 3))
  )
  expect(Buffer.from((await x.data()) as Uint8Array).equals(Buffer.from(expected))).toBe(true)
}

onEveryDevice(() => {
  test.each([
    ['the archive, gzipped', { 'cifar-10-binary.tar.gz': gzipSync(archive) }],
    ['the archive, unzipped', { 'cifar-10-binary.tar': archive }],
    ['the files', contents],
    ['the files, some gzipped', { ...contents, 'data_batch_2.bin': gzipSync(contents['data_batch_2.bin']!) }]
  ] as [string, Record<string, Uint8Array>][])('CIFAR-10 from %s: channels last, in the order of the files', async (_, files) => {
    await collected()
    const { tensors } = memory()
    const { train, test } = await datasets.cifar10({ folder: folder(files) })
    expect(memory().tensors).toBe(tensors + 4)
    await expectImages(train.x, [0, 1, 2, 3, 4, 5])
    expect([...(await train.y.data())]).toEqual([9, 3, 1, 2, 3, 4])
    await expectImages(test.x, [6])
    expect([...(await test.y.data())]).toEqual([5])
    for (const t of [train.x, train.y, test.x, test.y]) t.dispose()
  })

  test('Fashion-MNIST', async () => {
    const idx = (shape: number[], data: number[]) => Buffer.from([0, 0, 8, shape.length, ...shape.flatMap((n) => [0, 0, 0, n]), ...data])
    const { train, test } = await datasets.fashionMnist({
      folder: folder({
        'train-images-idx3-ubyte': idx([2, 1, 2], [1, 2, 3, 4]),
        'train-labels-idx1-ubyte': idx([2], [9, 0]),
        't10k-images-idx3-ubyte.gz': gzipSync(idx([1, 1, 2], [5, 6])),
        't10k-labels-idx1-ubyte': idx([1], [7])
      })
    })
    expect([await train.x.array(), await train.y.array()]).toEqual([
      [[[1, 2]], [[3, 4]]],
      [9, 0]
    ])
    expect([await test.x.array(), await test.y.array()]).toEqual([[[[5, 6]]], [7]])
  })
})

test('CIFAR-10 refuses files that are not its own', async () => {
  const { 'test_batch.bin': last, ...others } = contents
  const gzipped = gzipSync(archive)
  const cases: [Record<string, Uint8Array>, string, RegExp][] = [
    [others, 'FileNotFoundError', /^\[datasets.cifar10\] there is no file test_batch.bin or test_batch.bin.gz in/],
    [
      { ...contents, 'data_batch_3.bin': last!.subarray(1) },
      'FormatError',
      /data_batch_3.bin: expected records of 3073 bytes, received 3072 bytes/
    ],
    [{ ...contents, 'test_batch.bin': Buffer.alloc(0) }, 'FormatError', /received 0 bytes/],
    [{ ...contents, 'data_batch_5.bin': records([1, 10], 0) }, 'FormatError', /labels of 0 to 9, received 10 in record 1/],
    [{ 'cifar-10-binary.tar': tar(within(others)) }, 'FormatError', /has no file cifar-10-batches-bin\/test_batch.bin/],
    [{ 'cifar-10-binary.tar.gz': gzipped.subarray(0, gzipped.length / 2) }, 'FormatError', /cannot be unpacked/]
  ]
  for (const [files, name, message] of cases) {
    await expect(datasets.cifar10({ folder: folder(files) })).rejects.toMatchObject({ name, message: expect.stringMatching(message) })
  }
})

test.each([
  ['cifar10', 'cifar-10-binary.tar.gz'],
  ['fashionMnist', 'train-images-idx3-ubyte.gz']
] as const)('%s in the cache is compared with its checksum', async (name, file) => {
  const cache = folder({})
  mkdirSync(join(cache, name))
  const others = name === 'cifar10' ? [] : ['train-labels-idx1-ubyte.gz', 't10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']
  for (const each of [file, ...others]) writeFileSync(join(cache, name, each), gzipSync('other'))
  await expect(datasets[name]({ cache })).rejects.toMatchObject({
    name: 'FormatError',
    message: expect.stringMatching(/has other contents/)
  })
})

test('tar archives', () => {
  const long = Buffer.from('x'.repeat(600))
  const files = parseTar(tar({ 'a/': Buffer.alloc(0), 'a/b.txt': long, empty: Buffer.alloc(0), c: Buffer.from('d') }), 'f')
  expect([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()])).toEqual([
    ['a/b.txt', long.toString()],
    ['empty', ''],
    ['c', 'd']
  ])
  const whole = tar({ 'a.txt': long })
  const broken: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /f is truncated/],
    [Buffer.from('hello'), /f is truncated/],
    [Buffer.alloc(1024, 'hello'), /f is not a tar archive/],
    [whole.subarray(0, 700), /f is truncated/],
    [whole.subarray(0, 1536), /f is truncated/]
  ]
  for (const [bytes, message] of broken) {
    expect(() => parseTar(bytes, 'f')).toThrow(expect.objectContaining({ name: 'FormatError', message: expect.stringMatching(message) }))
  }
})
