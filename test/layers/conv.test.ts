// The convolution layers against Keras, and what they refuse.
import { ArgumentError, input, type Layer, layers, ShapeError, type Tensor, zeros } from '../../lib'
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
  /** A layer that was built for three channels, with four. */
  const again = (layer: Layer): Tensor => {
    layer.apply(zeros([1, 5, 5, 3]))
    return layer.apply(zeros([1, 5, 5, 4]))
  }
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
      '[conv1d "c"] expected an input of rank 3 (1 spatial axes) whose channels are known and at least 1, received [1, 5, 5, 3]'
    ],
    [
      ShapeError,
      () => layers.conv2d({ filters: 4, kernelSize: 3, name: 'c' }).apply(zeros([1, 2, 5, 3])),
      '[conv] expected windows of 3 to fit into axis 1 of [null, 2, 5, null] (layer "c")'
    ],
    [
      ShapeError,
      () => layers.depthwiseConv1d({ kernelSize: 3, dilationRate: 2, name: 'c' }).apply(input({ shape: [4, 3] })),
      '[conv] expected windows of 5 to fit into axis 1 of [null, 4, null] (layer "c")'
    ],
    [
      ShapeError,
      () => again(layers.depthwiseConv2d({ kernelSize: 3, name: 'c' })),
      '[depthwiseConv2d "c"] expected an input of 3 channels, received [1, 5, 5, 4]'
    ],
    [
      ShapeError,
      () => again(layers.conv2dTranspose({ filters: 2, kernelSize: 3, name: 'c' })),
      '[conv2dTranspose "c"] expected an input of 3 channels, received [1, 5, 5, 4]'
    ],
    ...[0, -1, 1.5, Number.NaN].flatMap((strides): typeof bad => [
      [
        ArgumentError,
        () => layers.conv1d({ filters: 4, kernelSize: 3, strides }),
        `[conv1d] expected strides to be an integer of at least 1, received ${strides}`
      ],
      [
        ArgumentError,
        () => layers.conv3dTranspose({ filters: 4, kernelSize: 3, strides: [1, strides, 1] }),
        `[conv3dTranspose] expected strides to be an integer of at least 1, or 3 of them, received [1, ${strides}, 1]`
      ]
    ]),
    [
      ArgumentError,
      () => layers.separableConv2d({ filters: 4, kernelSize: 0 }),
      '[separableConv2d] expected kernelSize to be an integer of at least 1, or 2 of them, received 0'
    ],
    [
      ArgumentError,
      () => layers.conv2d({ filters: 4, kernelSize: 3, groups: 0 }),
      'expected groups to be an integer of at least 1, received 0'
    ],
    [
      ArgumentError,
      () => layers.conv2dTranspose({ filters: 4, kernelSize: 3, outputPadding: -1 }),
      '[conv2dTranspose] expected outputPadding to be an integer of at least 0, or 2 of them, received -1'
    ],
    [
      ArgumentError,
      () => layers.conv2dTranspose({ filters: 4, kernelSize: 3, strides: [3, 2], outputPadding: 2, name: 'c' }),
      '[conv2dTranspose "c"] expected outputPadding to be less than the strides [3,2], received [2,2]'
    ]
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
