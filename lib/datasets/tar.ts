// The tar format (POSIX ustar): for each file a header of 512 bytes, then its bytes, filled up to a multiple of 512.
import { FormatError } from '../errors'

const block = 512

/**
 * The files of a tar archive by their names; folders, links and extensions are left out.
 * @param name for messages
 * @throws FormatError if it is not a whole archive
 */
export function parseTar(bytes: Uint8Array, name: string): Map<string, Uint8Array> {
  const text = (from: number, length: number): string =>
    Buffer.from(bytes.subarray(from, from + length))
      .toString('latin1')
      .split('\0')[0]!
  const files = new Map<string, Uint8Array>()
  let at = 0
  // A block of zeros ends the archive.
  while (bytes[at] !== 0) {
    if (at + block > bytes.length) throw new FormatError(`${name} is truncated`)
    if (text(at + 257, 5) !== 'ustar') throw new FormatError(`${name} is not a tar archive`)
    const size = Number.parseInt(text(at + 124, 12), 8)
    const start = at + block
    if (!(start + size <= bytes.length)) throw new FormatError(`${name} is truncated`)
    const type = text(at + 156, 1)
    if (type === '0' || type === '') files.set(text(at, 100), bytes.subarray(start, start + size))
    at = start + Math.ceil(size / block) * block
  }
  return files
}
