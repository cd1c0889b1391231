// The safetensors format: a JSON header with names, dtypes, shapes and offsets, then the bytes of all tensors without holes.
import { type FileHandle, open } from 'node:fs/promises'
import { FormatError } from '../errors'
import { type DType, dtypeBytes } from '../native'
import { fileError } from './file-errors'
import { writeWhole } from './write-whole'

/** What a safetensors file says of one of its tensors. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Bytes of data. */
  readonly bytes: number
}

/** A tensor to write: its entry and its bytes, little endian. */
export interface TensorData extends Omit<TensorEntry, 'bytes'> {
  readonly data: ArrayBufferView
}

interface PlacedEntry extends TensorEntry {
  /** Where its data begin in the file. */
  readonly offset: number
}

// The format's own limit on the header.
const maximumHeader = 100_000_000
const formatNames: Readonly<Record<DType, string>> = { float32: 'F32', bfloat16: 'BF16', int32: 'I32', uint8: 'U8', bool: 'BOOL' }
const dtypeOfName = new Map(Object.entries(formatNames).map(([dtype, name]) => [name, dtype as DType]))

// How files begin that people take for a model.
const strangers: [magic: string, what: string][] = [
  ['PK\x03\x04', 'a zip archive (a .keras file is one)'],
  ['\x89HDF', 'an HDF5 file'],
  ['\x1f\x8b', 'a gzip file'],
  ['\x80\x02', 'a Python pickle']
]

/** An open safetensors file whose header has been checked completely; tensors are read one by one. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    /** The file's own key-value pairs. */
    readonly metadata: ReadonlyMap<string, string>,
    private readonly entries: ReadonlyMap<string, PlacedEntry>,
    private readonly file: FileHandle
  ) {}

  /**
   * Opens a file and checks all that can be checked without reading data.
   * @throws FileNotFoundError if there is none; FileError if it cannot be read; FormatError if it is not a whole and well-formed safetensors file.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await openToRead(path)
    try {
      const { header, dataStart, dataBytes } = await readHeader(path, file)
      const { metadata, entries } = parseHeader(path, header, dataStart, dataBytes)
      return new SafetensorsFile(path, metadata, entries, file)
    } catch (error) {
      await file.close()
      throw fileError('read', path, error)
    }
  }

  /** The tensors of the file, in the order of their data. */
  get tensors(): readonly TensorEntry[] {
    return [...this.entries.values()]
  }

  /** The entry of that name, if there is one. */
  entry(name: string): TensorEntry | undefined {
    return this.entries.get(name)
  }

  /**
   * Reads the bytes of one tensor.
   * @throws FormatError if the file has no such tensor or has been cut since it was opened; FileError.
   */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.entries.get(name)
    if (entry === undefined) throw new FormatError(`${this.path} has no tensor "${name}"`)
    return readExactly(this.path, this.file, entry.offset, entry.bytes).catch((cause) => {
      throw fileError('read', this.path, cause)
    })
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.file.close()
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  const file = await open(path, 'r').catch((cause) => {
    throw fileError('read', path, cause)
  })
  const isFile = await file.stat().then((s) => s.isFile())
  if (isFile) return file
  await file.close()
  throw new FormatError(`${path} is not a file`)
}

async function readExactly(path: string, file: FileHandle, offset: number, bytes: number): Promise<Uint8Array> {
  const out = new Uint8Array(bytes)
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(out, done, Math.min(bytes - done, 2 ** 30), offset + done)
    if (bytesRead === 0) throw new FormatError(`${path} is truncated: it ends ${bytes - done} bytes early`)
    done += bytesRead
  }
  return out
}

async function readHeader(path: string, file: FileHandle) {
  const { size } = await file.stat()
  if (size === 0) throw new FormatError(`${path} is empty`)
  const start = await readExactly(path, file, 0, Math.min(size, 8))
  const text = Buffer.from(start).toString('latin1')
  const stranger = strangers.find(([magic]) => text.startsWith(magic))
  if (stranger !== undefined) throw new FormatError(`${path} is ${stranger[1]}, expected a safetensors file`)
  if (size < 8) throw new FormatError(`${path} is truncated: it has ${size} bytes, expected at least 8`)
  const length = Buffer.from(start.buffer).readBigUInt64LE()
  if (length > maximumHeader) {
    throw new FormatError(`${path} is no safetensors file, or its header lies about its length: ${length} bytes in a file of ${size}`)
  }
  const headerBytes = Number(length)
  if (8 + headerBytes > size) {
    throw new FormatError(`${path} is truncated, or its header lies about its length: ${length} bytes in a file of ${size}`)
  }
  const bytes = await readExactly(path, file, 8, headerBytes)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new FormatError(`${path} is no safetensors file: its header is not JSON`, { cause })
  }
  return { header, dataStart: 8 + headerBytes, dataBytes: size - 8 - headerBytes }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseHeader(path: string, header: unknown, dataStart: number, dataBytes: number) {
  if (!isRecord(header)) throw new FormatError(`${path}: expected the header to be an object`)
  const metadata = new Map<string, string>()
  const parsed: PlacedEntry[] = []
  for (const [name, value] of Object.entries(header)) {
    if (!isRecord(value)) throw new FormatError(`${path}: expected the header's "${name}" to be an object`)
    if (name !== '__metadata__') {
      parsed.push(parseEntry(path, name, value, dataStart))
      continue
    }
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== 'string') throw new FormatError(`${path}: expected the metadata "${key}" to be a string`)
      metadata.set(key, text)
    }
  }
  parsed.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)
  let end = dataStart
  for (const entry of parsed) {
    if (entry.offset !== end) {
      const what = entry.offset > end ? 'there is a hole before' : 'the data of another tensor overlap'
      throw new FormatError(`${path}: ${what} tensor "${entry.name}"`)
    }
    end += entry.bytes
  }
  const missing = end - dataStart - dataBytes
  if (missing > 0) throw new FormatError(`${path} is truncated: it ends ${missing} bytes early`)
  if (missing < 0) throw new FormatError(`${path}: the last ${-missing} bytes belong to no tensor`)
  return { metadata, entries: new Map(parsed.map((e) => [e.name, e])) }
}

const isSize = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0

function parseEntry(path: string, name: string, value: Record<string, unknown>, dataStart: number): PlacedEntry {
  const { dtype: formatName, shape, data_offsets: offsets } = value
  const where = `${path}, tensor "${name}"`
  const dtype = dtypeOfName.get(formatName as string)
  if (dtype === undefined) {
    throw new FormatError(`${where}: expected a dtype of ${[...dtypeOfName.keys()].join(', ')}, received ${JSON.stringify(formatName)}`)
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new FormatError(`${where}: expected the shape to be a list of sizes, received ${JSON.stringify(shape)}`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw new FormatError(`${where}: expected two data_offsets, received ${JSON.stringify(offsets)}`)
  }
  const [begin, end] = offsets as [number, number]
  const bytes = shape.reduce<number>((product, size) => product * size, dtypeBytes[dtype])
  if (end - begin !== bytes) {
    throw new FormatError(`${where}: [${shape.join(', ')}] of ${dtype} needs ${bytes} bytes, its data_offsets give ${end - begin}`)
  }
  return { name, dtype, shape, bytes, offset: dataStart + begin }
}

/**
 * Writes a safetensors file, as {@link writeWhole} does.
 * @throws FormatError for a name given twice or data that do not have the bytes that the shape needs; FileNotFoundError if there is no
 * such folder; FileError if it cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {}
): Promise<void> {
  // The widest elements first: every tensor is then aligned to its element, since the header is padded to 8 bytes.
  const ordered = [...tensors].sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype])
  const header = encodeHeader(ordered, metadata)
  await writeWhole(path, [header, ...ordered.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))])
}

function encodeHeader(tensors: readonly TensorData[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const fields: string[] = []
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`)
  const names = new Set(['__metadata__'])
  let end = 0
  for (const { name, dtype, shape, data } of tensors) {
    if (names.has(name)) throw new FormatError(`two tensors of the name "${name}" cannot be in one file`)
    names.add(name)
    const bytes = shape.reduce((product, size) => product * size, dtypeBytes[dtype])
    if (bytes !== data.byteLength) throw new FormatError(`tensor "${name}": expected ${bytes} bytes of data, received ${data.byteLength}`)
    const entry = { dtype: formatNames[dtype], shape, data_offsets: [end, end + bytes] }
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`)
    end += bytes
  }
  const json = Buffer.from(`{${fields.join(',')}}`)
  const padded = Math.ceil(json.length / 8) * 8
  if (padded > maximumHeader) throw new FormatError(`the header would have ${padded} bytes, the format allows ${maximumHeader}`)
  const header = Buffer.alloc(8 + padded, ' ')
  header.writeBigUInt64LE(BigInt(padded))
  json.copy(header, 8)
  return header
}
