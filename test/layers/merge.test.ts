// The merge layers against Keras, in a model, and what they refuse.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ArgumentError, input, layers, loadModel, model, ShapeError, type Tensor, tensor, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const name of ['add', 'subtract', 'multiply', 'average', 'maximum', 'minimum', 'concatenate', 'dot']) layerSuite(name)

test('a residual block, two towers and their distance are saved and loaded', async () => {
  const [left, right] = [input({ shape: [3], name: 'left' }), input({ shape: [3], name: 'right' })]
  const tower = layers.dense({ units: 3, activation: 'tanh' })
  const [l, r] = [layers.add().apply([left, tower.apply(left)]), layers.add().apply([right, tower.apply(right)])]
  const outputs = [
    layers.subtract().apply([l, r]),
    layers.concatenate().apply([l, r]),
    layers.dot({ axes: -1, normalize: true }).apply([l, r])
  ]
  using net = model({ inputs: [left, right], outputs })
  const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
  await net.save(join(folder, 'net.safetensors'))
  using again = await loadModel(join(folder, 'net.safetensors'))
  rmSync(folder, { recursive: true })
  const x = [tensor([1, 2, 3, 4, 5, 6], [2, 3]), tensor([6, 5, 4, 3, 2, 1], [2, 3])]
  const [received, expected] = [(await again.predict(x)) as unknown as Tensor[], await net.predict(x)]
  expect(expected.map(({ shape }) => shape)).toEqual([
    [2, 3],
    [2, 6],
    [2, 1]
  ])
  for (const [i, y] of expected.entries()) expect(await received[i]!.data()).toEqual(await y.data())
})

test('concatenate leaves integers of one dtype as they are, and makes floats of different ones', async () => {
  const layer = layers.concatenate()
  const [bytes, floats] = [tensor(new Uint8Array([1, 2]), [1, 2]), tensor([0.5], [1, 1])]
  const [same, mixed] = [layer.apply([bytes, bytes]), layer.apply([bytes, floats])]
  expect(await same.data()).toEqual(new Uint8Array([1, 2, 1, 2]))
  expect([mixed.dtype, [...(await mixed.data())]]).toEqual(['float32', [1, 2, 0.5]])
})

test('errors name the layer and what it expects', () => {
  const x = zeros([2, 3])
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.add({ name: 'a' }).apply(x),
      '[add "a"] expected an array of tensors, received one tensor of shape [2, 3]'
    ],
    [ArgumentError, () => layers.add({ name: 'a' }).apply([]), '[add "a"] expected an array of tensors, received none'],
    [ArgumentError, () => layers.add({ name: 'a' }).apply({ x }), '[add "a"] expected an array of tensors, received a record'],
    [ArgumentError, () => layers.subtract({ name: 's' }).apply([x, x, x]), '[subtract "s"] expected two inputs, received 3'],
    [ArgumentError, () => layers.dot({ name: 'd', axes: 1 }).apply([x]), '[dot "d"] expected two inputs, received 1'],
    [
      ShapeError,
      () => layers.multiply({ name: 'm' }).apply([x, zeros([1, 3])]),
      '[multiply "m"] expected inputs of one batch size, received [2, 3], [1, 3]'
    ],
    [ShapeError, () => layers.maximum({ name: 'm' }).apply([x, zeros([2, 4])]), '(layer "m")'],
    [ShapeError, () => layers.concatenate({ name: 'c' }).apply([x, zeros([2, 4, 1])]), '(layer "c")'],
    [ArgumentError, () => layers.concatenate({ axis: 0.5 }), '[concatenate] expected axis to be an integer, received 0.5'],
    [ArgumentError, () => layers.dot({ axes: 0 }), '[dot] expected axes to be an integer that is not 0, or two of them, received 0'],
    [ArgumentError, () => layers.dot({} as { axes: number }), '[dot] expected the option axes, received undefined'],
    [
      ShapeError,
      () => layers.dot({ name: 'd', axes: 1 }).apply([x, zeros([2, 4])]),
      '[dot "d"] expected equal sizes at the axes 1 and 1, which are not the batch\'s, received [2, 3] and [2, 4]'
    ],
    [ShapeError, () => layers.dot({ name: 'd', axes: -2 }).apply([x, x]), 'at the axes 0 and 0']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
