// gather, scatterAdd, oneHot: every axis, repeated indices, the conversion of uint8 images.
import { type DType, ops, setDevice, tensor, zeros } from '../../lib'
import { input, onEveryDevice, opSuite } from '../support/op-suite'
import { type Array64, array64, offset, pick, position } from '../support/reference'

const dtypes: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']

interface Gather {
  axis: number
  dtype?: DType
  scale?: number
  offset?: number
}

function gather([x, indices]: Array64[], { axis, scale = 1, offset: shift = 0 }: Gather): Array64 {
  const a = axis < 0 ? axis + x!.shape.length : axis
  const shape = [...x!.shape.slice(0, a), ...indices!.shape, ...x!.shape.slice(a + 1)]
  const rank = indices!.shape.length
  const rows = pick(x!, shape, (at) => [
    ...at.slice(0, a),
    indices!.data[offset(indices!.shape, at.slice(a, a + rank))]!,
    ...at.slice(a + rank)
  ])
  return { shape, data: rows.data.map((v) => v * scale + shift) }
}

const index = (shape: readonly number[], high: number) => input(shape, { dtype: 'int32', low: 0, high })

opSuite<Gather>('gather', {
  run: ([x, indices], { axis, ...options }) => ops.gather(x!, indices!, axis, options),
  reference: gather,
  cases: [
    ...dtypes.flatMap((dtype) => [
      { inputs: [input([5], { dtype }), index([9], 5)], attributes: { axis: 0 } },
      { inputs: [input([5, 3], { dtype }), index([2, 4], 5)], attributes: { axis: 0 } },
      { inputs: [input([4, 7, 3], { dtype }), index([11], 7)], attributes: { axis: 1 } },
      { inputs: [input([3, 5], { dtype }), index([9], 5)], attributes: { axis: 1 } }
    ]),
    { inputs: [input([4, 67]), index([130], 67)], attributes: { axis: -1 } },
    { inputs: [input([4, 3]), index([], 4)], attributes: { axis: 0 } },
    { inputs: [input([4, 3]), index([0], 4)], attributes: { axis: 0 } },
    { inputs: [input([0, 3]), index([0], 1)], attributes: { axis: 0 } },
    { inputs: [input([1000, 33]), index([257], 10)], attributes: { axis: 0 } }
  ],
  failures: [
    {
      what: 'indices that are no int32',
      run: () => ops.gather(zeros([3]), zeros([2])),
      code: 'DTypeError',
      message: '[gather] expected indices to be int32, received float32: use cast'
    },
    {
      what: 'an axis out of range',
      run: () => ops.gather(zeros([3]), zeros([2], { dtype: 'int32' }), 1),
      code: 'ShapeError',
      message: '[gather] expected axis in [-1, 0], received axis 1'
    },
    {
      what: 'indices into an empty axis',
      run: () => ops.gather(zeros([2, 0, 3]), zeros([4], { dtype: 'int32' }), 1),
      code: 'ShapeError',
      message: '[gather] expected an axis 1 that is not empty for 4 indices, received [2, 0, 3]'
    },
    {
      what: 'scaling integers',
      run: () => ops.gather(zeros([3], { dtype: 'uint8' }), zeros([2], { dtype: 'int32' }), 0, { scale: 2 }),
      code: 'ArgumentError',
      message: '[gather] expected scale 1 and offset 0 for dtype uint8'
    }
  ]
})

for (const to of ['float32', 'bfloat16'] as const) {
  opSuite<Gather>(`gather to ${to}`, {
    run: ([x, indices], { axis, ...options }) => ops.gather(x!, indices!, axis, { dtype: to, ...options }),
    reference: gather,
    dtype: to,
    cases: (['uint8', 'int32', to] as const).map((dtype) => ({
      inputs: [input([6, 29], { dtype }), index([7], 6)],
      attributes: { axis: 0, scale: 1 / 255, offset: -0.5 }
    }))
  })
}

opSuite<{ shape: number[]; axis: number }>('scatterAdd', {
  run: ([indices, updates], { shape, axis }) => ops.scatterAdd(indices!, updates!, shape, { axis }),
  reference: ([indices, updates], { shape, axis }) => {
    const out = array64(shape)
    const rank = indices!.shape.length
    updates!.data.forEach((v, i) => {
      const at = position(updates!.shape, i)
      const row = indices!.data[offset(indices!.shape, at.slice(axis, axis + rank))]!
      out.data[offset(shape, [...at.slice(0, axis), row, ...at.slice(axis + rank)])]! += v
    })
    return out
  },
  dtype: 'float32',
  cases: [
    { inputs: [index([9], 5), input([9])], attributes: { shape: [5], axis: 0 } },
    { inputs: [index([2, 4], 5), input([2, 4, 3])], attributes: { shape: [5, 3], axis: 0 } },
    { inputs: [index([11], 3), input([4, 11, 3])], attributes: { shape: [4, 7, 3], axis: 1 } },
    { inputs: [index([257], 10), input([257, 33])], attributes: { shape: [1000, 33], axis: 0 } },
    { inputs: [index([0], 5), input([0, 3])], attributes: { shape: [5, 3], axis: 0 } }
  ],
  failures: [
    {
      what: 'updates of another shape',
      run: () => ops.scatterAdd(zeros([4], { dtype: 'int32' }), zeros([4, 2]), [5, 3]),
      code: 'ShapeError',
      message: '[scatterAdd] expected updates to be [4, 3], received [4, 2]'
    },
    {
      what: 'indices into an empty axis',
      run: () => ops.scatterAdd(zeros([4], { dtype: 'int32' }), zeros([4, 2]), [0, 2]),
      code: 'ShapeError',
      message: '[scatterAdd] expected an axis 0 that is not empty for 4 indices, received [0, 2]'
    },
    {
      what: 'booleans',
      run: () => ops.scatterAdd(zeros([2], { dtype: 'int32' }), zeros([2], { dtype: 'bool' }), [3]),
      code: 'DTypeError',
      message: '[scatterAdd] expected updates to be float32 or bfloat16 or int32 or uint8, received bool: use cast'
    }
  ]
})

opSuite<{ depth: number; axis?: number; dtype?: DType }>('oneHot', {
  run: ([x], { depth, ...options }) => ops.oneHot(x!, depth, options),
  reference: ([x], { depth, axis = -1 }) => {
    const a = axis < 0 ? axis + x!.shape.length + 1 : axis
    const shape = [...x!.shape.slice(0, a), depth, ...x!.shape.slice(a)]
    return array64(shape, (i) => {
      const at = position(shape, i)
      return x!.data[offset(x!.shape, [...at.slice(0, a), ...at.slice(a + 1)])] === at[a] ? 1 : 0
    })
  },
  dtype: 'float32',
  cases: [
    { inputs: [input([7], { dtype: 'int32', low: -2, high: 8 })], attributes: { depth: 5 } },
    { inputs: [input([3, 5], { dtype: 'uint8', low: 0, high: 12 })], attributes: { depth: 10 } },
    { inputs: [input([3, 5], { dtype: 'int32', low: 0, high: 4 })], attributes: { depth: 4, axis: 1 } },
    { inputs: [input([3], { dtype: 'bool' })], attributes: { depth: 2 } },
    { inputs: [input([], { dtype: 'int32', low: 0, high: 3 })], attributes: { depth: 3 } }
  ],
  failures: [
    {
      what: 'a depth of 0',
      run: () => ops.oneHot(zeros([2], { dtype: 'int32' }), 0),
      code: 'ArgumentError',
      message: '[oneHot] expected depth to be a positive integer, received 0'
    },
    {
      what: 'floats',
      run: () => ops.oneHot(zeros([2]), 3),
      code: 'DTypeError',
      message: '[oneHot] expected indices to be int32 or uint8 or bool, received float32: use cast'
    }
  ]
})

onEveryDevice(({ name }) => {
  test('an index out of range is an error of the next read, which names op, index and range', async () => {
    setDevice(name)
    const rows = ops.gather(zeros([3, 2]), tensor([0, -1, 2], [3], { dtype: 'int32' }))
    await expect(rows.data()).rejects.toMatchObject({ name: 'ArgumentError', message: expect.stringMatching(/gather.*0 to 2.*-1/) })
  })
})
