// The permute layer against Keras, and what it refuses.
import { ArgumentError, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

layerSuite('permute')

test('errors name the layer and what it expects', () => {
  for (const dims of [[], [0, 1], [1, 1], [2], 'x' as unknown as number[]]) {
    expect(() => layers.permute({ dims })).toThrow(ArgumentError)
    expect(() => layers.permute({ dims })).toThrow('[permute] expected dims to name each axis from 1 once, received ')
  }
  expect(() => layers.permute({ name: 'p', dims: [2, 1] }).apply(zeros([2, 3]))).toThrow(ShapeError)
  expect(() => layers.permute({ name: 'p', dims: [2, 1] }).apply(zeros([2, 3]))).toThrow(
    '[permute "p"] expected an input of rank 3, received [2, 3]'
  )
})
