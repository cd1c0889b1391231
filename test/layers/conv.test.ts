// The convolution layers against Keras, and what they refuse.
import { ArgumentError, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) {
  layerSuite(`conv${axes}`)
  layerSuite(`conv${axes}Transpose`)
}
for (const axes of ['1d', '2d']) {
  layerSuite(`depthwiseConv${axes}`)
  layerSuite(`separableConv${axes}`)
}

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, dilationRate: 2 }),
      'expected strides or dilationRate of 1, received strides [2,2] and dilationRate [2,2]'
    ],
    [
      ArgumentError,
      () => layers.conv2d({ filters: 0, kernelSize: 3 }),
      '[conv2d] expected filters to be an integer of at least 1, received 0'
    ],
    [
      ArgumentError,
      () => layers.conv2d({ filters: 4, kernelSize: 3, padding: 'causal' }),
      "[conv2d] expected padding to be one of 'valid', 'same', received \"causal\""
    ],
    [ArgumentError, () => layers.conv2d({ filters: 4, kernelSize: 3, groups: 3 }), 'expected groups to divide 4 filters, received 3'],
    [
      ShapeError,
      () => layers.conv2d({ filters: 4, kernelSize: 3, groups: 2, name: 'c' }).apply(zeros([1, 5, 5, 3])),
      '[conv2d "c"] expected groups to divide 3 channels, received 2'
    ],
    [
      ShapeError,
      () => layers.conv1d({ filters: 4, kernelSize: 3, name: 'c' }).apply(zeros([1, 5, 5, 3])),
      '[conv1d "c"] expected an input of rank 3 (1 spatial axes) whose channels are known, received [1, 5, 5, 3]'
    ],
    [ShapeError, () => layers.conv2d({ filters: 4, kernelSize: 3, name: 'c' }).apply(zeros([1, 2, 5, 3])), '(layer "c")']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
