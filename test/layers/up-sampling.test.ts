// The upsampling layers: against Keras, in the dimensions where Keras has no interpolation, and what they refuse.
import { ArgumentError, input, layers, tensor } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) layerSuite(`upSampling${axes}`)

test('one axis is interpolated too', async () => {
  const y = layers.upSampling1d({ interpolation: 'bilinear' }).apply(tensor([0, 4, 8], [1, 3, 1]))
  expect([...(await y.data())]).toEqual([0, 1, 3, 5, 7, 8])
  const volume = layers.upSampling3d({ size: [1, 1, 2], interpolation: 'bilinear' }).apply(tensor([0, 4, 8, 12], [1, 2, 1, 2, 1]))
  expect(volume.shape).toEqual([1, 2, 1, 4, 1])
  expect([...(await volume.data())]).toEqual([0, 1, 3, 4, 8, 9, 11, 12])
})

test('sizes that are not known stay so', () => {
  const x = input({ shape: [null, 4, 3] })
  expect(layers.upSampling2d({ size: 3, interpolation: 'bicubic' }).apply(x).shape).toEqual([null, null, 12, 3])
})

test('errors name the layer and what it expects', () => {
  const bad: [() => unknown, string][] = [
    [() => layers.upSampling2d({ size: 0 }), '[upSampling2d] expected size to be an integer of at least 1, or 2 of them, received 0'],
    [() => layers.upSampling1d({ size: [1, 2] }), '[upSampling1d] expected size to be an integer of at least 1, received [1, 2]'],
    [
      () => layers.upSampling2d({ interpolation: 'lanczos3' as 'bicubic' }),
      "[upSampling2d] expected interpolation to be one of 'nearest', 'bilinear', 'bicubic', received \"lanczos3\""
    ]
  ]
  for (const [run, message] of bad) {
    expect(run).toThrow(ArgumentError)
    expect(run).toThrow(message)
  }
})
