// The pooling layers against Keras, and what they refuse.
import { ArgumentError, layers, ShapeError, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) {
  for (const kind of ['max', 'average', 'sum', 'globalMax', 'globalAverage', 'adaptiveMax', 'adaptiveAverage'])
    layerSuite(`${kind}Pooling${axes}`)
}

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.maxPooling2d({ poolSize: 0 }),
      '[maxPooling2d] expected poolSize to be an integer of at least 1, or 2 of them, received 0'
    ],
    [
      ArgumentError,
      () => layers.maxPooling1d({ strides: -1 }),
      '[maxPooling1d] expected strides to be an integer of at least 1, received -1'
    ],
    [
      ArgumentError,
      () => layers.averagePooling2d({ padding: 'causal' as 'same' }),
      "expected padding to be one of 'valid', 'same', received \"causal\""
    ],
    [
      ArgumentError,
      () => layers.sumPooling3d({ dataFormat: 'channels_first' as 'channelsFirst' }),
      "[sumPooling3d] expected dataFormat to be one of 'channelsLast', 'channelsFirst', received \"channels_first\""
    ],
    [
      ShapeError,
      () => layers.maxPooling2d({ name: 'p' }).apply(zeros([1, 4, 2])),
      '[maxPooling2d "p"] expected an input with 2 spatial axes, of rank 4, received [1, 4, 2]'
    ],
    [ShapeError, () => layers.maxPooling2d({ name: 'p' }).apply(zeros([1, 1, 4, 2])), '(layer "p")'],
    [
      ArgumentError,
      () => layers.adaptiveMaxPooling1d({ outputSize: 0 }),
      '[adaptiveMaxPooling1d] expected outputSize to be an integer of at least 1, received 0'
    ]
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
