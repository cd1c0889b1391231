// PNG files: what is written decodes to the same bytes, by pngjs and by readPng.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { tensor, visualize } from '../../lib'
import { onEveryDevice } from '../support/op-suite'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = (name: string): string => join(folder, name)
const noise = (count: number): number[] => Array.from({ length: count }, (_, i) => (i * 97 + i * i * 31) % 256)

/** The header of a PNG file: bits, and what a pixel is. */
function header(file: string): { bits: number; colorType: number } {
  const bytes = readFileSync(file)
  return { bits: bytes[24]!, colorType: bytes[25]! }
}

onEveryDevice(() => {
  test.each([
    [1, 0],
    [3, 2],
    [4, 6]
  ])('%i channels', async (channels, colorType) => {
    const [height, width] = [5, 7]
    const values = noise(height * width * channels)
    const file = path(`${channels}.png`)
    await visualize.writePng(file, tensor(values, [height, width, channels], { dtype: 'uint8' }))
    expect(header(file)).toEqual({ bits: 8, colorType })
    const png = PNG.sync.read(readFileSync(file))
    expect([png.width, png.height]).toEqual([width, height])
    const pixel = (i: number): number[] => values.slice(channels * i, channels * (i + 1))
    const colours = Array.from({ length: height * width }, (_, i) => (channels === 1 ? [0, 0, 0].map(() => values[i]!) : pixel(i)))
    expect([...png.data]).toEqual(colours.flatMap((c) => (c.length === 4 ? c : [...c, 255])))
    const again = await visualize.readPng(file)
    expect(again.dtype).toBe('uint8')
    expect(again.shape).toEqual([height, width, 3])
    expect([...(await again.data())]).toEqual(colours.flatMap((c) => c.slice(0, 3)))
  })

  test('floats: 0 is black, 1 is white, what lies outside is cut off', async () => {
    const file = path('floats.png')
    await visualize.writePng(file, tensor([0, 0.5, 1, -1, 2, Number.NaN], [2, 3]))
    const read = await visualize.readPng(file)
    expect(await read.slice([0, 0, 0], [2, 3, 1]).reshape([2, 3]).array()).toEqual([
      [0, 128, 255],
      [0, 255, 0]
    ])
  })

  test('a picture of a megabyte', async () => {
    const file = path('large.png')
    const values = Uint8Array.from(noise(700 * 500 * 3))
    await visualize.writePng(file, tensor(values, [500, 700, 3]))
    expect(Buffer.from(await (await visualize.readPng(file)).data()).equals(values)).toBe(true)
  })
})

test('refuses what is no picture', async () => {
  const cases: [unknown, string, RegExp][] = [
    [tensor([1, 2]), 'ShapeError', /^\[visualize.writePng\] expected image to be \(H, W\).*received \[2\]/],
    [tensor([1, 2], [1, 1, 2]), 'ShapeError', /received \[1, 1, 2\]/],
    [tensor([], [0, 2]), 'ShapeError', /received \[0, 2\]/],
    [tensor([1], [1, 1], { dtype: 'int32' }), 'DTypeError', /uint8 or floats, received int32/],
    ['cat', 'ArgumentError', /expected image to be a tensor/]
  ]
  for (const [image, name, message] of cases) {
    await expect(visualize.writePng(path('never.png'), image as never)).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message)
    })
  }
})

test('a missing folder, a missing file, and files that are no PNG', async () => {
  await expect(visualize.writePng(path('no/such/folder.png'), tensor([1], [1, 1]))).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: expect.stringMatching(/there is no folder .*no.such to write .*folder.png in/)
  })
  await expect(visualize.readPng(path('missing.png'))).rejects.toMatchObject({ name: 'FileNotFoundError' })
  await visualize.writePng(path('whole.png'), tensor(Uint8Array.from(noise(300)), [10, 10, 3]))
  const whole = readFileSync(path('whole.png'))
  for (const bytes of [Buffer.alloc(0), Buffer.from('GIF89a'), whole.subarray(0, 60)]) {
    writeFileSync(path('broken.png'), bytes)
    await expect(visualize.readPng(path('broken.png'))).rejects.toMatchObject({
      name: 'FormatError',
      message: expect.stringMatching(/broken.png is not a whole PNG file/)
    })
  }
})
