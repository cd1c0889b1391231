// Tensors: from and to JavaScript values, life and death, variables, devices.
import { runInNewContext } from 'node:vm'
import {
  CaptureError,
  type DType,
  devices,
  input,
  memory,
  NeuriteError,
  ops,
  setDevice,
  setMemoryLimit,
  type Tensor,
  tensor,
  Variable,
  variable,
  zeros
} from '../lib'
import { collected } from './support/collected'
import { expectFailure, onEveryDevice } from './support/op-suite'
import { bfloat16 } from './support/reference'

onEveryDevice(({ name }) => {
  test.each([
    ['numbers', [1.5, -2], 'float32', [1.5, -2]],
    ['booleans', [true, false], 'bool', [1, 0]],
    ['Float32Array', Float32Array.of(1.5), 'float32', [1.5]],
    ['Float64Array', Float64Array.of(0.1), 'float32', [Math.fround(0.1)]],
    ['Int8Array', Int8Array.of(-3), 'int32', [-3]],
    ['Int16Array', Int16Array.of(-300), 'int32', [-300]],
    ['Int32Array', Int32Array.of(2 ** 31 - 1), 'int32', [2 ** 31 - 1]],
    ['Uint8Array', Uint8Array.of(255), 'uint8', [255]],
    ['Uint8ClampedArray', Uint8ClampedArray.of(300), 'uint8', [255]]
  ] as const)('%s become their dtype and come back', async (_what, values, dtype, expected) => {
    const t = tensor(values as never)
    expect(t).toMatchObject({ dtype, shape: [expected.length], device: name })
    expect([...(await t.data())]).toEqual(expected)
    expect([...t.dataSync()]).toEqual(expected)
  })

  test('what data() gives has the array type of the dtype', async () => {
    const kinds: Record<DType, string> = {
      float32: 'Float32Array',
      bfloat16: 'Float32Array',
      int32: 'Int32Array',
      uint8: 'Uint8Array',
      bool: 'Uint8Array'
    }
    for (const [dtype, kind] of Object.entries(kinds)) {
      const data = await zeros([3], { dtype: dtype as DType }).data()
      expect(data[Symbol.toStringTag]).toBe(kind)
    }
  })

  test.each([1, 15, 16, 17, 63, 64, 65])('%i elements of every dtype come back, at once and behind queued work', async (size) => {
    const values = Int32Array.from({ length: size }, (_, i) => (i * 7) % 120)
    const other = zeros([size])
    for (const dtype of ['float32', 'bfloat16', 'int32', 'uint8', 'bool'] as const) {
      const expected = dtype === 'bool' ? [...values].map((v) => Number(v !== 0)) : [...values]
      const t = tensor(values, undefined, { dtype })
      const data = await t.data()
      expect([...data]).toEqual(expected)
      const work = ops.matmul(zeros([1024, 512]), zeros([512, 512]))
      expect([...(await t.data())]).toEqual(expected)
      expect([...(await other.data())]).toEqual(new Array(size).fill(0))
      // What was given out does not change with what is read later.
      expect([...data]).toEqual(expected)
      work.dispose()
    }
  })

  test('a requested dtype converts: integers truncate and saturate, bfloat16 rounds to even', async () => {
    expect([...tensor([1.9, -1.9, 1e10, Number.NaN], undefined, { dtype: 'int32' }).dataSync()]).toEqual([1, -1, 2 ** 31 - 1, 0])
    expect([...tensor([-5, 300, 7.9], undefined, { dtype: 'uint8' }).dataSync()]).toEqual([0, 255, 7])
    expect([...tensor(Int32Array.of(-1, 300), undefined, { dtype: 'uint8' }).dataSync()]).toEqual([255, 44])
    expect([...tensor([0, 0.5, -1], undefined, { dtype: 'bool' }).dataSync()]).toEqual([0, 1, 1])
    const values = [1, 1.00390625, 1.01171875, -3.1875, 2.71875e-3, 1e-40, Number.POSITIVE_INFINITY, Number.NaN]
    expect([...tensor(values, undefined, { dtype: 'bfloat16' }).dataSync()]).toEqual(values.map(bfloat16))
  })

  test('scalars, nested arrays and a shape beside a flat array', async () => {
    expect(tensor(5).shape).toEqual([])
    expect(await tensor(5).item()).toBe(5)
    expect(
      await tensor([
        [[1], [2]],
        [[3], [4]]
      ]).array()
    ).toEqual([
      [[1], [2]],
      [[3], [4]]
    ])
    expect(await tensor([1, 2, 3, 4], [2, 2]).array()).toEqual([
      [1, 2],
      [3, 4]
    ])
    expect(tensor([]).shape).toEqual([0])
    expect(await tensor([[], []] as number[][]).array()).toEqual([[], []])
  })

  test('arrays of another context are recognised', () => {
    expect(tensor(runInNewContext('Uint8Array.of(1, 2)'))).toMatchObject({ dtype: 'uint8', shape: [2] })
    expect(tensor(runInNewContext('[[1, 2], [3, 4]]'))).toMatchObject({ dtype: 'float32', shape: [2, 2] })
  })

  test('host data is copied at the call', async () => {
    const values = Float32Array.of(1, 2)
    const t = tensor(values)
    values.fill(9)
    expect([...(await t.data())]).toEqual([1, 2])
  })

  test('rank, size, toString', () => {
    const t = zeros([2, 3])
    expect([t.rank, t.size, String(t)]).toEqual([2, 6, `Tensor(float32, [2, 3], ${name})`])
  })

  test('dispose frees, twice does nothing, use afterwards is an error', async () => {
    await collected()
    const before = memory().tensors
    const t = zeros([4])
    expect(memory().tensors).toBe(before + 1)
    t.dispose()
    t.dispose()
    expect([memory().tensors, t.disposed]).toEqual([before, true])
    await expectFailure({
      what: 'use',
      run: () => ops.add(t, t),
      code: 'DisposedError',
      message: '[add] expected b to be a live tensor, received one of shape [4] that has been disposed'
    })
    await expect(t.data()).rejects.toMatchObject({ name: 'DisposedError' })
  })

  test('garbage outside scopes is freed by finalizers', async () => {
    await collected()
    const before = memory().tensors
    for (let i = 0; i < 100; i++) zeros([10])
    for (let i = 0; i < 20 && memory().tensors > before; i++) await collected()
    expect(memory().tensors).toBeLessThan(before + 100)
  })

  test('variables are assigned in place, from tensors and from numbers', async () => {
    const v = variable(tensor([1, 2]), { name: 'v' })
    expect(v).toBeInstanceOf(Variable)
    expect([v.name, v.trainable]).toEqual(['v', true])
    v.assign(tensor([3, 4])).assign([5, 6])
    expect([...v.dataSync()]).toEqual([5, 6])
    v.assign(new Float32Array([7, 8]))
    expect([...v.dataSync()]).toEqual([7, 8])
    expect(() => v.assign(tensor([1, 2, 3]))).toThrow('[assign] expected a value of shape [2] for v, received [3]')
    expect(() => v.assign(tensor([1, 2], [2], { dtype: 'int32' }))).toThrow(
      '[assign] expected a value of dtype float32 for v, received int32: use cast'
    )
    expect([...v.dataSync()]).toEqual([7, 8])
  })

  test('a variable copies what it is made from', () => {
    const t = tensor([1])
    const [a, b] = [variable(t), variable(t)]
    a.assign([2])
    expect([t.dataSync()[0], b.dataSync()[0]]).toEqual([1, 1])
  })

  test('memory that is not there is an error that says so, and the next op works', async () => {
    expect(() => zeros([1e6, 1e6])).toThrow(
      expect.objectContaining({ name: 'OutOfMemoryError', message: expect.stringMatching(/4000000000000 bytes/) })
    )
    await collected() // what is garbage already must not make room in between
    const { bytes } = memory()
    setMemoryLimit(bytes + 1e6)
    try {
      expect(() => zeros([1e6])).toThrow(expect.objectContaining({ name: 'OutOfMemoryError' }))
    } finally {
      setMemoryLimit(1e10)
    }
    expect(await ops.add(tensor([1]), 1).item()).toBe(2)
  })
})

test('a copy on another device, and ops across devices', async () => {
  const usable = devices().filter((d) => d.usable)
  if (usable.length < 2) return console.warn('to() between devices is not tested: there is one device')
  setDevice(usable[0]!.name)
  const a = tensor([1, 2])
  const b = a.to(usable[1]!.name)
  expect([b.device, ...(await b.data())]).toEqual([usable[1]!.name, 1, 2])
  expect(() => a.add(b)).toThrow(expect.objectContaining({ name: 'DeviceError' }))
  return undefined
})

test.each([
  [
    'data that is not as long as the shape says',
    () => tensor(new Float32Array(5), [2, 3]),
    'ShapeError',
    '[tensor] expected 6 values for shape [2, 3], received 5'
  ],
  [
    'ragged nested arrays',
    () => tensor([[1, 2], [3]] as number[][]),
    'ShapeError',
    '[tensor] expected nested arrays of equal lengths, as shape [2, 2] at the first elements, received another length at depth 1'
  ],
  [
    'too deep nesting',
    () => tensor([1, [2]] as never),
    'ShapeError',
    '[tensor] expected nested arrays of equal lengths, as shape [2] at the first elements, received another length at depth 1'
  ],
  ['strings', () => tensor(['a'] as never), 'ArgumentError', '[tensor] expected numbers or booleans, received "a"'],
  ['numbers among booleans', () => tensor([true, 1] as never), 'ArgumentError', '[tensor] expected numbers or booleans, received both'],
  [
    'BigInt64Array',
    () => tensor(new BigInt64Array(1) as never),
    'ArgumentError',
    '[tensor] expected numbers, booleans or one of Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray, received BigInt64Array'
  ],
  ['an unknown device', () => tensor([1], undefined, { device: 'tpu' }), 'DeviceError', undefined],
  [
    'a symbolic tensor',
    () => ops.add(input({ shape: [3], name: 'x' }) as unknown as Tensor, 1),
    'ArgumentError',
    '[add] expected a to be a tensor, received the symbolic [null, 3] of x: wrap the formula in layers.lambda({ function: … })'
  ]
] as const)('refuses %s', async (what, run, code, message) => {
  if (message !== undefined) return expectFailure({ what, run, code, message })
  expect(run).toThrow(expect.objectContaining({ name: code }))
  return undefined
})

test('errors are of one family and keep op and cause', () => {
  try {
    zeros([1e6, 1e6])
  } catch (error) {
    expect(error).toBeInstanceOf(NeuriteError)
    expect(error).toMatchObject({ code: 'OutOfMemoryError', cause: expect.anything() })
  }
  expect(new CaptureError('x').code).toBe('CaptureError')
})

test('an unknown device names those there are', () => {
  expect(() => setDevice('cuda:7')).toThrow(/^\[setDevice\] there is no device cuda:7; there is cpu/)
})
