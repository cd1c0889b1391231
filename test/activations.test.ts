// Activations by name and function; their values are tested with the activation layer, those that have options here.
import { ArgumentError, activations, type Tensor, tensor } from '../lib'
import { withCustomObjects } from '../lib/serialization'
import { expectCloseNumbers } from './support/golden'

const x = [-2, -0.5, -0.1, 0, 0.25, 1.5]

test.each([
  [
    'relu',
    (v: Tensor) => activations.relu(v, { negativeSlope: 0.5, maxValue: 1, threshold: 0.2 }),
    (v: number) => Math.min(v > 0.2 ? v : 0.5 * (v - 0.2), 1)
  ],
  ['leakyRelu', (v: Tensor) => activations.leakyRelu(v, { negativeSlope: 0.3 }), (v: number) => (v > 0 ? v : 0.3 * v)],
  ['elu', (v: Tensor) => activations.elu(v, { alpha: 2 }), (v: number) => (v > 0 ? v : 2 * Math.expm1(v))],
  ['celu', (v: Tensor) => activations.celu(v, { alpha: 2 }), (v: number) => Math.max(v, 0) + Math.min(2 * Math.expm1(v / 2), 0)],
  ['hardShrink', (v: Tensor) => activations.hardShrink(v, { threshold: 0.2 }), (v: number) => (Math.abs(v) > 0.2 ? v : 0)],
  [
    'softShrink',
    (v: Tensor) => activations.softShrink(v, { threshold: 0.2 }),
    (v: number) => Math.sign(v) * Math.max(Math.abs(v) - 0.2, 0)
  ],
  ['squareplus', (v: Tensor) => activations.squareplus(v, { b: 1 }), (v: number) => (v + Math.sqrt(v * v + 1)) / 2],
  [
    'gelu',
    (v: Tensor) => activations.gelu(v, { approximate: true }),
    (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
  ]
])('%s with options', async (name, fn, reference) => {
  expectCloseNumbers(await fn(tensor(x)).data(), x.map(reference), name, 1e-6)
})

test('softmax along an axis', async () => {
  const y = activations.softmax(
    tensor([
      [1, 2],
      [3, 5]
    ]),
    { axis: 0 }
  )
  const p = (a: number, b: number) => 1 / (1 + Math.exp(b - a))
  expectCloseNumbers(await y.data(), [p(1, 3), p(2, 5), p(3, 1), p(5, 2)], 'softmax', 1e-6)
})

test('an activation is found by name and by function', () => {
  expect(activations.get(undefined).name).toBe('linear')
  expect(activations.get('swish').name).toBe('swish')
  expect(activations.get(activations.softmax)).toEqual({ name: 'softmax', fn: activations.softmax })
  function cube(v: Tensor): Tensor {
    return v.mul(v).mul(v)
  }
  const own = activations.get(cube)
  expect(own).toEqual({ name: undefined, fn: cube })
  const written = activations.serialize(own)
  expect(withCustomObjects({ cube }, () => activations.get(written)).fn).toBe(cube)
  expect(() => activations.serialize(activations.get((v) => v.neg()))).toThrow('needs a name')
})

test('names that are wrong', () => {
  expect(() => activations.get('leaky_relu' as 'relu')).toThrow(ArgumentError)
  expect(() => activations.get('leaky_relu' as 'relu')).toThrow("unknown activation 'leaky_relu': the name is 'leakyRelu'")
  expect(() => activations.get('rleu' as 'relu')).toThrow("unknown activation 'rleu': did you mean 'relu'?")
  expect(() => activations.get(1 as unknown as 'relu')).toThrow('expected an activation (a name or a function), received 1')
})
