// Images put together: every pixel at its place, and how values become bytes.
import { tensor, visualize } from '../../lib'
import { onEveryDevice } from '../support/op-suite'

onEveryDevice(() => {
  test('images stand row by row, with padding between and around them', async () => {
    const images = tensor([10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 30, 31, 32, 33, 34, 35], [3, 2, 3], { dtype: 'uint8' })
    const picture = visualize.grid(images, { columns: 2, padding: 1, padValue: 7 })
    expect(picture.dtype).toBe('uint8')
    expect(picture.shape).toEqual([7, 9, 1])
    expect(await picture.reshape([7, 9]).array()).toEqual([
      [7, 7, 7, 7, 7, 7, 7, 7, 7],
      [7, 10, 11, 12, 7, 20, 21, 22, 7],
      [7, 13, 14, 15, 7, 23, 24, 25, 7],
      [7, 7, 7, 7, 7, 7, 7, 7, 7],
      [7, 30, 31, 32, 7, 7, 7, 7, 7],
      [7, 33, 34, 35, 7, 7, 7, 7, 7],
      [7, 7, 7, 7, 7, 7, 7, 7, 7]
    ])
  })

  test('zoom repeats pixels, colours stay together, padding may be 0', async () => {
    const images = tensor([1, 2, 3, 4, 5, 6], [1, 1, 2, 3], { dtype: 'uint8' })
    const picture = visualize.grid(images, { zoom: 2, padding: 0 })
    const line = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]
    expect(picture.shape).toEqual([2, 4, 3])
    expect([...(await picture.data())]).toEqual([...line, ...line])
  })

  test('by default the picture is about square', () => {
    const shape = (n: number, h: number, w: number): readonly number[] =>
      visualize.grid(tensor(new Float32Array(n * h * w), [n, h, w]), { padding: 0 }).shape
    expect(shape(16, 5, 5)).toEqual([20, 20, 1])
    expect(shape(6, 5, 5)).toEqual([10, 15, 1])
    expect(shape(2, 5, 5)).toEqual([5, 10, 1])
    expect(shape(16, 1, 16)).toEqual([16, 16, 1])
    expect(shape(1, 3, 40)).toEqual([3, 40, 1])
    expect(shape(2, 40, 1)).toEqual([40, 2, 1])
  })

  test('each image is spread over black to white, or all together, or a range', async () => {
    const images = tensor([0, 1, 2, 4, -4, 0, 4, 4], [2, 2, 2])
    const bytes = async (options: visualize.GridOptions) => [
      ...(await visualize.grid(images, { padding: 0, columns: 1, ...options }).data())
    ]
    expect(await bytes({})).toEqual([0, 64, 128, 255, 0, 128, 255, 255])
    expect(await bytes({ scaleEach: false })).toEqual([128, 159, 191, 255, 0, 128, 255, 255])
    expect(await bytes({ valueRange: [0, 2] })).toEqual([0, 128, 255, 255, 0, 0, 255, 255])
  })

  test('images of one value, NaN and other dtypes', async () => {
    const bytes = async (values: number[], dtype?: 'int32' | 'bool' | 'bfloat16') => [
      ...(await visualize.grid(tensor(values, [1, 1, values.length], { dtype }), { padding: 0 }).data())
    ]
    expect(await bytes([3, 3])).toEqual([0, 0])
    expect(await bytes([1, Number.NaN])).toEqual([0, 0])
    expect(await bytes([-2, 0, 2], 'int32')).toEqual([0, 128, 255])
    expect(await bytes([0, 1], 'bool')).toEqual([0, 255])
    expect(await bytes([0, 1, 2], 'bfloat16')).toEqual([0, 128, 255])
  })
})

test('refuses what is no list of images and options that cannot be', () => {
  const images = tensor([0, 1, 2, 3], [1, 2, 2])
  const refusals: [() => unknown, string, RegExp][] = [
    [() => visualize.grid(tensor([1, 2])), 'ShapeError', /^\[visualize.grid\] expected images to be \(n, H, W\).*received \[2\]/],
    [() => visualize.grid(tensor([1, 2], [1, 1, 1, 2])), 'ShapeError', /received \[1, 1, 1, 2\]/],
    [() => visualize.grid(tensor([], [0, 2, 2])), 'ShapeError', /received \[0, 2, 2\]/],
    [() => visualize.grid([1] as never), 'ArgumentError', /expected images to be a tensor/],
    [() => visualize.grid(images, { columns: 0 }), 'ArgumentError', /columns/],
    [() => visualize.grid(images, { padding: -1 }), 'ArgumentError', /padding/],
    [() => visualize.grid(images, { padValue: 256 }), 'ArgumentError', /padValue/],
    [() => visualize.grid(images, { zoom: 1.5 }), 'ArgumentError', /zoom/],
    [() => visualize.grid(images, { valueRange: [1, 1] }), 'ArgumentError', /valueRange to be two numbers.*received \[1, 1\]/]
  ]
  for (const [run, name, message] of refusals) {
    expect(run).toThrow(expect.objectContaining({ name, message: expect.stringMatching(message) }))
  }
})
