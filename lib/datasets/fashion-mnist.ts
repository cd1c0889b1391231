// Fashion-MNIST: pictures of clothes in the form of MNIST.
import type { DataFiles, DatasetOptions } from './files'
import { type Labelled, loadIdx } from './mnist'

const fashionFiles: DataFiles = {
  dataset: 'fashionMnist',
  checksums: {
    'train-images-idx3-ubyte': '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
    'train-labels-idx1-ubyte': 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
    't10k-images-idx3-ubyte': '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
    't10k-labels-idx1-ubyte': '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'
  },
  checksumsOf: 'gzip',
  mirrors: ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/']
}

/**
 * The Fashion-MNIST data set (Xiao, Rasul and Vollgraf 2017): 60,000 images of clothes to train with, 10,000 to test, as uint8 tensors that the
 * caller owns. The classes are t-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag and ankle boot.
 *
 * The four IDX files are looked for in `folder` if it is given, else in the cache, and are downloaded (31 MB) if they are not there. Their
 * contents are compared with known checksums, except in `folder`.
 * @throws FileNotFoundError if they are nowhere and cannot be downloaded; FileError if one cannot be read or kept; FormatError if a file has other contents
 * @example
 * const { train, test } = await datasets.fashionMnist()
 */
export function fashionMnist(options: DatasetOptions = {}): Promise<{ train: Labelled; test: Labelled }> {
  return loadIdx(fashionFiles, options)
}
