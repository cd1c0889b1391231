// Constants and ranges, on every device and in every dtype.
import { arange, type DType, eye, full, linspace, ones, ops, zeros } from '../../lib'
import { expectFailure, onEveryDevice } from '../support/op-suite'

const dtypes: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']

onEveryDevice(({ name }) => {
  test.each(dtypes)('zeros, ones and full of %s', async (dtype) => {
    for (const shape of [[], [7], [3, 43], [0, 2]]) {
      const size = shape.reduce((a, b) => a * b, 1)
      expect(zeros(shape, { dtype })).toMatchObject({ shape, dtype, device: name })
      expect([...(await zeros(shape, { dtype }).data())]).toEqual(new Array(size).fill(0))
      expect([...(await ones(shape, { dtype }).data())]).toEqual(new Array(size).fill(1))
      expect([...(await full(shape, 1, { dtype }).data())]).toEqual(new Array(size).fill(1))
    }
  })

  test('full of what is no number', async () => {
    expect([...(await full([3], Number.NaN).data())]).toEqual([Number.NaN, Number.NaN, Number.NaN])
    expect([...(await full([2], Number.NEGATIVE_INFINITY).data())]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])
  })

  test('zerosLike, onesLike, fullLike take shape, dtype and device', async () => {
    const x = full([2, 3], 5, { dtype: 'int32' })
    expect(x.zerosLike()).toMatchObject({ shape: [2, 3], dtype: 'int32', device: name })
    expect([...(await x.onesLike({ dtype: 'bool' }).data())]).toEqual([1, 1, 1, 1, 1, 1])
    expect([...(await x.fullLike(-4).data())]).toEqual([-4, -4, -4, -4, -4, -4])
  })

  test('arange and linspace', async () => {
    expect(arange(5)).toMatchObject({ shape: [5], dtype: 'int32' })
    expect([...(await arange(5).data())]).toEqual([0, 1, 2, 3, 4])
    expect([...(await arange(5, -4, -3).data())]).toEqual([5, 2, -1])
    expect([...(await arange(0, 1, 0.25).data())]).toEqual([0, 0.25, 0.5, 0.75])
    expect(arange(3, 3).shape).toEqual([0])
    expect([...(await arange(1000).data())]).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    expect([...(await linspace(0, 1, 5).data())]).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect([...(await linspace(3, 9, 1).data())]).toEqual([3])
  })

  test('eye', async () => {
    expect(await eye(2).array()).toEqual([
      [1, 0],
      [0, 1]
    ])
    expect(await eye(2, 3, { dtype: 'int32' }).array()).toEqual([
      [1, 0, 0],
      [0, 1, 0]
    ])
  })
})

test('ranges up to the last number of a dtype', async () => {
  expect([...(await arange(2 ** 31 - 2, 2 ** 31).data())]).toEqual([2 ** 31 - 2, 2 ** 31 - 1])
  expect([...(await arange(0, 256, 85, { dtype: 'uint8' }).data())]).toEqual([0, 85, 170, 255])
  expect((await arange(2 ** 31, 2 ** 31 + 512, 256, { dtype: 'float32' }).data())[1]).toBe(2 ** 31 + 256)
})

test.each([
  [
    'a range beyond int32',
    () => arange(2 ** 31, 2 ** 31 + 3),
    'ArgumentError',
    '[arange] expected numbers from -2147483648 to 2147483647 for dtype int32, received 2147483648 to 2147483650'
  ],
  [
    'a range beyond uint8',
    () => linspace(-1, 7, 5, { dtype: 'uint8' }),
    'ArgumentError',
    '[linspace] expected numbers from 0 to 255 for dtype uint8, received -1 to 7'
  ],
  ['a range of booleans', () => arange(0, 3, 1, { dtype: 'bool' }), 'DTypeError', '[arange] expected a dtype of numbers, received bool'],
  [
    'a size that is no integer',
    () => zeros([1.5]),
    'ShapeError',
    '[zeros] expected sizes that are integers and not negative, received [1.5]'
  ],
  ['NaN as a size', () => ones([Number.NaN]), 'ShapeError', '[ones] expected sizes that are integers and not negative, received [NaN]'],
  [
    'nine dimensions',
    () => zeros([1, 1, 1, 1, 1, 1, 1, 1, 1]),
    'ShapeError',
    '[zeros] expected at most 8 dimensions, received 9: [1, 1, 1, 1, 1, 1, 1, 1, 1]'
  ],
  ['no shape', () => zeros(3 as unknown as number[]), 'ArgumentError', '[zeros] expected a shape (an array of sizes), received 3'],
  [
    'an unknown dtype',
    () => zeros([1], { dtype: 'float16' as DType }),
    'DTypeError',
    '[zeros] expected one of float32, bfloat16, int32, uint8, bool, received "float16"'
  ],
  ['a step of 0', () => arange(0, 1, 0), 'ArgumentError', '[arange] expected finite numbers and a step that is not 0, received 0, 1, 0'],
  ['no points', () => linspace(0, 1, 0), 'ArgumentError', '[linspace] expected num to be a positive integer, received 0'],
  ['a negative size', () => eye(-1), 'ShapeError', '[eye] expected sizes that are not negative, received -1 and -1'],
  ['an array as a tensor', () => ops.relu([1] as never), 'ArgumentError', '[relu] expected x to be a tensor, received [1]']
] as const)('refuses %s', (what, run, code, message) => expectFailure({ what, run, code, message }))
