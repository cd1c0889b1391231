// The IDX format, in which MNIST and its relatives come: a big-endian header with the type and the sizes, then the bytes.
import { FormatError } from '../errors'

/** The contents of an IDX file of bytes. */
export interface Idx {
  shape: number[]
  data: Uint8Array
}

/**
 * Parses an IDX file of unsigned bytes.
 * @param name for messages
 * @throws FormatError if it is not exactly such a file
 */
export function parseIdx(bytes: Uint8Array, name: string): Idx {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 4 || view.getUint16(0) !== 0) throw new FormatError(`${name} is not an IDX file`)
  const type = bytes[2]!
  const rank = bytes[3]!
  if (type !== 8) throw new FormatError(`${name}: expected an IDX file of unsigned bytes (type 8), received type ${type}`)
  const start = 4 + 4 * rank
  if (bytes.length < start) throw new FormatError(`${name} is truncated`)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const size = shape.reduce((a, b) => a * b, 1)
  if (bytes.length - start !== size) {
    throw new FormatError(`${name}: expected ${size} bytes for [${shape.join(', ')}], received ${bytes.length - start}`)
  }
  return { shape, data: bytes.subarray(start) }
}
