// The prelu layer against Keras, and what it was built for.
import { layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

layerSuite('prelu')

test('an input of another shape than it was built for', () => {
  using layer = layers.prelu({ name: 'p', sharedAxes: [1] })
  expect(layer.apply(zeros([2, 5, 3])).shape).toEqual([2, 5, 3])
  expect(layer.apply(zeros([1, 7, 3])).shape).toEqual([1, 7, 3])
  for (const shape of [
    [2, 5, 4],
    [5, 3],
    [2, 2, 5, 3]
  ]) {
    const run = expect(() => layer.apply(zeros(shape)))
    run.toThrow(ShapeError)
    run.toThrow(`[prelu "p"] expected an input of [null, 1, 3] (1: of any size), received [${shape.join(', ')}]`)
  }
})
