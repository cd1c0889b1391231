// The filter gradient of convolutions with 3x3 kernels, which the CPU makes of transformed tiles where channels, features and pixels are many
// enough (16, 16 and 64): against the definition in float64, with values that the transforms would spread.
import { type DType, setPrecision } from '../../lib'
import { filterGrad } from '../../lib/ops/conv'
import { fill, input, onEveryDevice, toTensor } from '../support/op-suite'
import { type Array64, array64 } from '../support/reference'

type Pair = readonly [number, number]

interface Shape {
  x: readonly [batch: number, height: number, width: number, channels: number]
  features: number
  /** Of dy; what is not given is as `same` padding makes it. */
  out?: Pair
  before?: Pair
}

/** dw [3, 3, C, F] and the sums of the magnitudes of its terms. */
function reference(x: Array64, dy: Array64, [top, left]: Pair): { dw: Array64; magnitude: Float64Array } {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [, outHeight, outWidth, features] = dy.shape as [number, number, number, number]
  const dw = array64([3, 3, channels, features])
  const magnitude = new Float64Array(dw.data.length)
  for (let image = 0; image < batch; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        const from = ((image * outHeight + row) * outWidth + column) * features
        for (let tap = 0; tap < 9; tap++) {
          const [h, w] = [row + Math.floor(tap / 3) - top, column + (tap % 3) - left]
          if (h < 0 || h >= height || w < 0 || w >= width) continue
          for (let c = 0; c < channels; c++) {
            const value = x.data[((image * height + h) * width + w) * channels + c]!
            const to = (tap * channels + c) * features
            for (let f = 0; f < features; f++) {
              const term = value * dy.data[from + f]!
              dw.data[to + f]! += term
              magnitude[to + f]! += Math.abs(term)
            }
          }
        }
      }
    }
  }
  return { dw, magnitude }
}

interface Made {
  x: Array64
  dy: Array64
  before: Pair
}

function make({ x, features, out = [x[1], x[2]], before = [1, 1] }: Shape, dtype: DType, low: number): Made {
  const dyShape = [x[0], ...out, features]
  return { x: fill(input(x, { dtype, low, high: 1 }), 1), dy: fill(input(dyShape, { dtype, low, high: 1 }), 2), before }
}

async function received({ x, dy, before }: Made, dtype: DType): Promise<ArrayLike<number>> {
  using a = toTensor(x, dtype)
  using b = toTensor(dy, dtype)
  using dw = filterGrad(a, b, { strides: [1, 1], dilation: [1, 1], before, groups: 1 }, [3, 3, x.shape[3]!, dy.shape[3]!])
  return await dw.data()
}

const shapes: Record<string, Shape> = {
  'even sizes': { x: [3, 8, 6, 16], features: 32 },
  'odd sizes, numbers of channels and features': { x: [2, 7, 5, 17], features: 19 },
  'no padding': { x: [2, 9, 8, 18], features: 33, out: [7, 6], before: [0, 0] },
  'asymmetric padding': { x: [3, 4, 5, 20], features: 16, out: [4, 7], before: [2, 1] },
  'much padding': { x: [1, 3, 2, 16], features: 16, out: [9, 10], before: [4, 5] },
  'one pixel': { x: [64, 1, 1, 16], features: 16 },
  'one result': { x: [64, 3, 3, 16], features: 24, out: [1, 1], before: [0, 0] },
  'more than a block of channels and of features': { x: [2, 6, 6, 70], features: 150 },
  'a row of tiles longer than a block': { x: [1, 3, 301, 16], features: 17 },
  'several blocks in each sum': { x: [4, 46, 47, 16], features: 16 }
}

const at = ({ shape }: Array64, image: number, row: number, column: number, channel: number) =>
  ((image * shape[1]! + row) * shape[2]! + column) * shape[3]! + channel

/** Values that a sum passes on; where two stand beside each other, their difference is infinite, and no sum is. */
const unusual: Record<string, (made: Made) => void> = {
  'NaN in x': ({ x }) => {
    x.data[at(x, 0, 3, 3, 2)] = Number.NaN
  },
  'NaN in dy': ({ dy }) => {
    dy.data[at(dy, 1, 4, 3, 5)] = Number.NaN
  },
  'infinities in x': ({ x }) => {
    x.data[at(x, 0, 0, 0, 1)] = Number.POSITIVE_INFINITY
    x.data[at(x, 1, 3, 2, 1)] = Number.POSITIVE_INFINITY
    x.data[at(x, 1, 3, 4, 4)] = Number.NEGATIVE_INFINITY
  },
  'infinities in dy': ({ dy }) => {
    dy.data[at(dy, 0, 3, 2, 7)] = Number.POSITIVE_INFINITY
    dy.data[at(dy, 0, 4, 3, 8)] = Number.NEGATIVE_INFINITY
  },
  'the largest numbers in x': ({ x, dy }) => {
    for (const [i, value] of dy.data.entries()) dy.data[i] = value / 64
    x.data[at(x, 0, 2, 1, 3)] = 2 ** 127.5
    x.data[at(x, 0, 2, 3, 3)] = -(2 ** 127.5)
  },
  'the largest numbers in dy': ({ x, dy }) => {
    for (const [i, value] of x.data.entries()) x.data[i] = value / 64
    dy.data[at(dy, 0, 4, 2, 3)] = 2 ** 127.5
    dy.data[at(dy, 0, 4, 3, 3)] = 2 ** 127.5
  }
}

onEveryDevice(() => {
  beforeAll(() => setPrecision('highest'))
  afterAll(() => setPrecision('highest'))

  describe.each(Object.keys(shapes))('%s', (name) => {
    // Centred values, whose sums cancel, and positive ones.
    test.each([-1, 0])('float32 from %d', async (low) => {
      const made = make(shapes[name]!, 'float32', low)
      const values = await received(made, 'float32')
      const { dw } = reference(made.x, made.dy, made.before)
      const pixels = made.dy.data.length / made.dy.shape[3]!
      const bound = 2e-7 + 2.5e-8 * Math.sqrt(pixels)
      const perTap = dw.data.length / 9
      for (let tap = 0; tap < 9; tap++) {
        let [error, norm] = [0, 0]
        for (let i = tap * perTap; i < (tap + 1) * perTap; i++) {
          error += (values[i]! - dw.data[i]!) ** 2
          norm += dw.data[i]! ** 2
        }
        const relative = norm === 0 ? error : Math.sqrt(error / norm)
        expect({ tap, relative, bound, ok: relative <= bound }).toMatchObject({ ok: true })
      }
    })

    test('bfloat16', async () => {
      const made = make(shapes[name]!, 'bfloat16', -1)
      expectNear(await received(made, 'bfloat16'), made, 2 ** -8)
    })
  })

  test.each(Object.keys(unusual).slice(0, 4))('%s, bfloat16', async (name) => {
    const made = make({ x: [3, 6, 7, 20], features: 18 }, 'bfloat16', -1)
    unusual[name]!(made)
    expectNear(await received(made, 'bfloat16'), made, 2 ** -8)
  })

  test.each(Object.keys(unusual))('%s', async (name) => {
    const made = make({ x: [2, 6, 7, 20], features: 18 }, 'float32', -1)
    unusual[name]!(made)
    for (const array of [made.x, made.dy]) array.data.set(Float32Array.from(array.data))
    expectNear(await received(made, 'float32'), made, 1e-6)
  })
})

/** Each value within `tolerance` of the sum of its terms' magnitudes; what is not finite, exactly. */
function expectNear(values: ArrayLike<number>, made: Made, tolerance: number): void {
  const { dw, magnitude } = reference(made.x, made.dy, made.before)
  const bad = dw.data.findIndex((expected, i) => {
    if (!Number.isFinite(expected)) return !Object.is(values[i], expected)
    return !(Math.abs(values[i]! - expected) <= tolerance * magnitude[i]!)
  })
  expect({ bad, received: values[bad], expected: dw.data[bad] }).toEqual({ bad: -1 })
}
