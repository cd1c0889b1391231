// The reshape layer against Keras, and inputs that do not fit.
import { input, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

layerSuite('reshape')

test('an input that does not fit is refused when a model is drawn', () => {
  const bad: [targetShape: number[], inputShape: number[], message: string][] = [
    [[3], [4], 'expected samples that fit targetShape [3], received [null, 4]'],
    [[3, -1], [4], 'expected samples that fit targetShape [3, -1], received [null, 4]']
  ]
  for (const [targetShape, inputShape, message] of bad) {
    const layer = layers.reshape({ targetShape, name: 'r' })
    expect(() => layer.apply(input({ shape: inputShape }))).toThrow(ShapeError)
    expect(() => layer.apply(input({ shape: inputShape }))).toThrow(`[reshape "r"] ${message}`)
  }
  const layer = layers.reshape({ targetShape: [3] })
  expect(layer.apply(input({ shape: [null] as never })).shape).toEqual([null, 3])
  expect(() => layer.apply(zeros([2, 4]))).toThrow('expected samples that fit targetShape [3], received [2, 4]')
})
