// CIFAR-10, small photographs of ten kinds of things.
import { FormatError } from '../errors'
import * as ops from '../ops'
import { scope } from '../scope'
import { tensor } from '../tensor'
import { type DataFiles, type DatasetOptions, type FileReader, findFiles, pathOf } from './files'
import type { Labelled } from './mnist'
import { parseTar } from './tar'

const archive = 'cifar-10-binary.tar'
const cifarFiles: DataFiles = {
  dataset: 'cifar10',
  // Of the file whose published MD5 is c32a1d4ab5d03f1284b67883e8d87530.
  checksums: { [archive]: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd' },
  checksumsOf: 'gzip',
  mirrors: ['https://www.cs.toronto.edu/~kriz/']
}

// A record of the binary version: the label, then the image, a plane for each colour.
const [channels, side] = [3, 32]
const record = 1 + channels * side * side

/**
 * The CIFAR-10 data set (Krizhevsky 2009): 50,000 colour photographs to train with, 10,000 to test, as uint8 tensors that the caller owns:
 * `x` (n, 32, 32, 3), `y` (n). The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.
 *
 * The binary version is looked for in `folder` if it is given (`cifar-10-binary.tar.gz`, or the files `data_batch_1.bin` … `test_batch.bin` that
 * are in it), else in the cache, and is downloaded (170 MB) if it is not there. It is compared with its known checksum, except in `folder`.
 * @throws FileNotFoundError if it is nowhere and cannot be downloaded; FileError if one cannot be read or kept; FormatError if a file has other contents
 * @example
 * const { train, test } = await datasets.cifar10()
 */
export async function cifar10(options: DatasetOptions = {}): Promise<{ train: Labelled; test: Labelled }> {
  const read = await reader(options)
  const train = await Promise.all([1, 2, 3, 4, 5].map((i) => readRecords(read, `data_batch_${i}.bin`)))
  const test = await readRecords(read, 'test_batch.bin')
  return { train: toTensors(train), test: toTensors([test]) }
}

/** Reads the files of the archive, or those of a folder where it is unpacked. */
async function reader(options: DatasetOptions): Promise<FileReader> {
  const read = await findFiles(cifarFiles, options)
  if (options?.folder !== undefined && (await pathOf(options.folder, archive)) === undefined) return read
  const members = parseTar(await read(archive), archive)
  return async (name) => {
    const bytes = members.get(`cifar-10-batches-bin/${name}`)
    if (bytes === undefined) throw new FormatError(`${archive} has no file cifar-10-batches-bin/${name}`)
    return bytes
  }
}

async function readRecords(read: FileReader, name: string): Promise<Uint8Array> {
  const bytes = await read(name)
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new FormatError(`${name}: expected records of ${record} bytes, received ${bytes.length} bytes`)
  }
  for (let at = 0; at < bytes.length; at += record) {
    if (bytes[at]! > 9) throw new FormatError(`${name}: expected labels of 0 to 9, received ${bytes[at]} in record ${at / record}`)
  }
  return bytes
}

/** Records as images with their channels last, and labels. */
function toTensors(files: readonly Uint8Array[]): Labelled {
  return scope(() => {
    const records = ops.concat(files.map((bytes) => tensor(bytes, [bytes.length / record, record])))
    const n = records.shape[0]!
    const planes = ops.reshape(ops.slice(records, [0, 1], [n, record - 1]), [n, channels, side, side])
    return { x: ops.moveaxis(planes, 1, -1), y: ops.reshape(ops.slice(records, [0, 0], [n, 1]), [n]) }
  })
}
