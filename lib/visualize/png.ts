// PNG files: pictures written and read, by the library pngjs.
import { readFile } from 'node:fs/promises'
import type { ColorType, PNG } from 'pngjs'
import { DTypeError, FormatError, failure, ShapeError, showShape } from '../errors'
import type { TensorData } from '../host-values'
import { checkPath, fileError } from '../io/file-errors'
import { writeWhole } from '../io/write-whole'
import { expectTensor } from '../op'
import * as ops from '../ops'
import { scope } from '../scope'
import { type Tensor, tensor } from '../tensor'
import { bytesOf } from './grid'

// PNG's numbers for what a pixel is: grey, red green blue, the same with opacity.
const colorTypes: Readonly<Record<number, ColorType>> = { 1: 0, 3: 2, 4: 6 }

/**
 * Writes a picture as a PNG file, without loss.
 * @param image (H, W), (H, W, 1), (H, W, 3) or, with opacity, (H, W, 4): uint8, or floats of which 0 is black and 1 white
 * @throws ShapeError, DTypeError for something else; FileNotFoundError if there is no such folder; FileError if it cannot be written
 * @example
 * await visualize.writePng('filters.png', visualize.filters(model.getLayer('conv1'), { zoom: 8 }))
 */
export async function writePng(file: string, image: Tensor): Promise<void> {
  const where = 'visualize.writePng'
  checkPath(where, 'file', file)
  expectTensor(where, 'image', image)
  const [height, width, channels = 1] = image.shape as [number, number, number?]
  const colorType = colorTypes[channels]
  if (image.rank < 2 || image.rank > 3 || colorType === undefined || image.size === 0) {
    throw failure(ShapeError, where, `expected image to be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), received ${showShape(image.shape)}`)
  }
  if (image.dtype !== 'uint8' && image.dtype !== 'float32' && image.dtype !== 'bfloat16') {
    throw failure(DTypeError, where, `expected image to be uint8 or floats, received ${image.dtype}`)
  }
  const bytes = image.dtype === 'uint8' ? image : scope(() => bytesOf(image))
  let data: TensorData
  try {
    data = await bytes.data()
  } finally {
    if (bytes !== image) bytes.dispose()
  }
  // Loaded when it is needed: few programs draw.
  const { PNG } = await import('pngjs')
  const png = new PNG({ width, height, colorType, inputColorType: colorType, inputHasAlpha: channels === 4 })
  png.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  await writeWhole(file, [await packed(png)], where)
}

function packed(png: PNG): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    png.on('data', (chunk: Buffer) => chunks.push(chunk))
    png.on('end', () => resolve(Buffer.concat(chunks)))
    png.on('error', reject)
    png.pack()
  })
}

/**
 * Reads a PNG file of any kind as colours; opacity is left out.
 * @returns uint8 (H, W, 3), which the caller owns
 * @throws FileNotFoundError; FileError if it cannot be read; FormatError if it is not a whole PNG file
 * @example
 * const photograph = await visualize.readPng('cat.png')
 */
export async function readPng(file: string): Promise<Tensor> {
  const where = 'visualize.readPng'
  checkPath(where, 'file', file)
  const bytes = await readFile(file).catch((cause) => {
    throw fileError('read', file, cause, where)
  })
  const { PNG } = await import('pngjs')
  const { width, height, data } = await new Promise<PNG>((resolve, reject) => {
    new PNG().parse(bytes, (cause, png) => {
      if (cause) reject(failure(FormatError, where, `${file} is not a whole PNG file: ${cause.message}`, cause))
      else resolve(png)
    })
  })
  return scope(() => ops.slice(tensor(new Uint8Array(data), [height, width, 4]), [0, 0, 0], [height, width, 3]))
}
