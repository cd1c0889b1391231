// The padding and cropping layers: against Keras, in the modes that Keras does not have, and what they refuse.
import { ArgumentError, input, layers, ShapeError, tensor, zeros } from '../../lib'
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) for (const kind of ['zeroPadding', 'cropping']) layerSuite(`${kind}${axes}`)

test.each(['constant', 'edge', 'reflect'] as const)('padding in mode %s of 1 to 3 axes', async (mode) => {
  // What a position holds along one axis of n elements; undefined: zero.
  const sources = {
    constant: (i: number, n: number) => (i < 0 || i >= n ? undefined : i),
    edge: (i: number, n: number) => Math.min(Math.max(i, 0), n - 1),
    reflect: (i: number, n: number) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i)
  }
  const source = sources[mode]
  const sizes = [3, 4, 3]
  const pairs: [number, number][] = [
    [1, 2],
    [0, 3],
    [2, 0]
  ]
  for (const axes of [1, 2, 3] as const) {
    const [size, padding] = [sizes.slice(0, axes), pairs.slice(0, axes)]
    const values = Float32Array.from({ length: size.reduce((a, b) => a * b) }, (_, i) => i + 1)
    const outer = size.map((n, i) => padding[i]![0] + n + padding[i]![1])
    const expected = Array.from({ length: outer.reduce((a, b) => a * b) }, (_, flat) => {
      let [rest, stride, index]: [number, number, number | undefined] = [flat, 1, 0]
      for (let a = axes - 1; a >= 0; a--) {
        const at = source((rest % outer[a]!) - padding[a]![0], size[a]!)
        index = at === undefined || index === undefined ? undefined : index + at * stride
        rest = Math.floor(rest / outer[a]!)
        stride *= size[a]!
      }
      return index === undefined ? 0 : values[index]!
    })
    const make = layers[`padding${axes}d`]
    const option = { padding: axes === 1 ? padding[0] : padding, mode }
    const last = make(option).apply(tensor(values, [1, ...size, 1]))
    expect(last.shape).toEqual([1, ...outer, 1])
    expect([...(await last.data())]).toEqual(expected)
    const first = make({ ...option, dataFormat: 'channelsFirst' }).apply(tensor(values, [1, 1, ...size]))
    expect(first.shape).toEqual([1, 1, ...outer])
    expect([...(await first.data())]).toEqual(expected)
    const again = layers.deserialize(JSON.parse(JSON.stringify(layers.serialize(make(option)))))
    expect([...(await again.apply(tensor(values, [1, ...size, 1])).data())]).toEqual(expected)
  }
})

test('bytes stay bytes, and sizes that are not known stay so', async () => {
  const bytes = tensor(new Uint8Array([1, 2, 3]), [1, 3, 1])
  const [padded, cropped] = [layers.zeroPadding1d().apply(bytes), layers.cropping1d().apply(bytes)]
  expect(await padded.data()).toEqual(new Uint8Array([0, 1, 2, 3, 0]))
  expect(await cropped.data()).toEqual(new Uint8Array([2]))
  const x = input({ shape: [null, 4, 3] })
  expect(layers.padding2d({ padding: 2 }).apply(x).shape).toEqual([null, null, 8, 3])
  expect(layers.cropping2d({ cropping: [1, [0, 1]] }).apply(x).shape).toEqual([null, null, 3, 3])
})

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.zeroPadding1d({ padding: -1 }),
      '[zeroPadding1d] expected padding to be an integer or [before, after], none negative, received -1'
    ],
    [
      ArgumentError,
      () => layers.padding2d({ padding: [1, 2, 3] }),
      '[padding2d] expected padding to be an integer, or for each of 2 axes an integer or [before, after], none negative, received [1, 2, 3]'
    ],
    [ArgumentError, () => layers.cropping3d({ cropping: [[1, 1], [1, 1], 0.5] }), '[cropping3d] expected cropping to be an integer, or'],
    [
      ArgumentError,
      () => layers.padding1d({ mode: 'wrap' as 'edge' }),
      "[padding1d] expected mode to be one of 'constant', 'edge', 'reflect', received \"wrap\""
    ],
    [
      ShapeError,
      () => layers.cropping1d({ name: 'c' }).apply(zeros([1, 2, 1])),
      '[cropping1d "c"] expected more than 2 elements on axis 1, received [1, 2, 1]'
    ],
    [
      ShapeError,
      () => layers.zeroPadding2d({ name: 'z' }).apply(zeros([1, 2, 1])),
      '[zeroPadding2d "z"] expected an input with 2 spatial axes, of rank 4, received [1, 2, 1]'
    ],
    [ShapeError, () => layers.padding1d({ name: 'p', padding: 2, mode: 'reflect' }).apply(zeros([1, 2, 1])), '(layer "p")']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
