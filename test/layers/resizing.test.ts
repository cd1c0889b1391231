// The resizing layer: against Keras, on images of any size, and what it refuses.
import { ArgumentError, input, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

layerSuite('resizing')

test('images of any size get one size', () => {
  const layer = layers.resizing({ height: 4, width: 5 })
  expect(layer.apply(input({ shape: [null, null, 3] })).shape).toEqual([null, 4, 5, 3])
  for (const shape of [
    [2, 9, 1, 3],
    [1, 4, 5, 3]
  ]) {
    expect(layer.apply(zeros(shape)).shape).toEqual([shape[0], 4, 5, 3])
  }
})

test('bytes become floats', () => {
  expect(layers.resizing({ height: 2, width: 2 }).apply(zeros([1, 3, 3, 1], { dtype: 'uint8' })).dtype).toBe('float32')
})

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.resizing({ height: 0, width: 2 }),
      '[resizing] expected height to be an integer of at least 1, received 0'
    ],
    [
      ArgumentError,
      () => layers.resizing({ height: 2, width: 2.5 }),
      '[resizing] expected width to be an integer of at least 1, received 2.5'
    ],
    [
      ArgumentError,
      () => layers.resizing({ height: 2, width: 2, interpolation: 'area' as 'nearest' }),
      "[resizing] expected interpolation to be one of 'nearest', 'bilinear', 'bicubic', received \"area\""
    ],
    [
      ShapeError,
      () => layers.resizing({ height: 2, width: 2, name: 'r' }).apply(zeros([4, 4, 3])),
      '[resizing "r"] expected an input with 2 spatial axes, of rank 4, received [4, 4, 3]'
    ],
    [
      ShapeError,
      () => layers.resizing({ height: 2, width: 2, name: 'r' }).apply(zeros([1, 0, 4, 3])),
      'expected an input that is not empty'
    ]
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
