// The padding and cropping layers: against Keras and NumPy, and what they refuse.
import { ArgumentError, input, layers, ShapeError, tensor, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) for (const kind of ['zeroPadding', 'padding', 'cropping']) layerSuite(`${kind}${axes}`)

test('bytes stay bytes, and sizes that are not known stay so', async () => {
  const bytes = tensor(new Uint8Array([1, 2, 3]), [1, 3, 1])
  const [padded, cropped] = [layers.zeroPadding1d().apply(bytes), layers.cropping1d().apply(bytes)]
  expect(await padded.data()).toEqual(new Uint8Array([0, 1, 2, 3, 0]))
  expect(await cropped.data()).toEqual(new Uint8Array([2]))
  const x = input({ shape: [null, 4, 3] })
  expect(layers.padding2d({ padding: 2 }).apply(x).shape).toEqual([null, null, 8, 3])
  expect(layers.cropping2d({ cropping: [1, [0, 1]] }).apply(x).shape).toEqual([null, null, 3, 3])
})

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.zeroPadding1d({ padding: -1 }),
      '[zeroPadding1d] expected padding to be an integer or [before, after], none negative, received -1'
    ],
    [
      ArgumentError,
      () => layers.padding2d({ padding: [1, 2, 3] }),
      '[padding2d] expected padding to be an integer, or for each of 2 axes an integer or [before, after], none negative, received [1, 2, 3]'
    ],
    [ArgumentError, () => layers.cropping3d({ cropping: [[1, 1], [1, 1], 0.5] }), '[cropping3d] expected cropping to be an integer, or'],
    [
      ArgumentError,
      () => layers.padding1d({ mode: 'wrap' as 'edge' }),
      "[padding1d] expected mode to be one of 'constant', 'edge', 'reflect', received \"wrap\""
    ],
    [
      ShapeError,
      () => layers.cropping1d({ name: 'c' }).apply(zeros([1, 2, 1])),
      '[cropping1d "c"] expected more than 2 elements on axis 1, received [1, 2, 1]'
    ],
    [
      ShapeError,
      () => layers.zeroPadding2d({ name: 'z' }).apply(zeros([1, 2, 1])),
      '[zeroPadding2d "z"] expected an input with 2 spatial axes, of rank 4, received [1, 2, 1]'
    ],
    [ShapeError, () => layers.padding1d({ name: 'p', padding: 2, mode: 'reflect' }).apply(zeros([1, 2, 1])), '(layer "p")']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
