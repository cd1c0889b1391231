// The repeatVector layer against Keras, and what it refuses.
import { ArgumentError, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

layerSuite('repeatVector')

test('errors name the layer and what it expects', () => {
  expect(() => layers.repeatVector({ n: 0 })).toThrow(ArgumentError)
  expect(() => layers.repeatVector({ n: 0 })).toThrow('[repeatVector] expected n to be an integer of at least 1, received 0')
  expect(() => layers.repeatVector({ name: 'r', n: 2 }).apply(zeros([2, 3, 4]))).toThrow(ShapeError)
  expect(() => layers.repeatVector({ name: 'r', n: 2 }).apply(zeros([2, 3, 4]))).toThrow(
    '[repeatVector "r"] expected an input of rank 2, received [2, 3, 4]'
  )
})
