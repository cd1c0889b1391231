// Ops that move elements: reshape, transpose, concat, split, slice, flip, crop, pad, tile.
import { type DType, ops, tensor, valueAndGrad, variable, zeros } from '../../lib'
import { type Case, input, opSuite } from '../support/op-suite'
import { array64, offset, pick, position, zip } from '../support/reference'

const dtypes: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']
const inEveryDType = <A>(cases: readonly { shape: readonly number[]; attributes: A }[]): Case<A>[] =>
  dtypes.flatMap((dtype) => cases.map(({ shape, attributes }) => ({ inputs: [input(shape, { dtype })], attributes })))

opSuite<{ shape: number[] }>('reshape', {
  run: ([x], { shape }) => ops.reshape(x!, shape),
  reference: ([x], { shape }) => ({
    data: x!.data,
    shape: shape.map((d) => (d === -1 ? x!.data.length / shape.filter((s) => s !== -1).reduce((a, b) => a * b, 1) : d))
  }),
  cases: inEveryDType([
    { shape: [3, 4], attributes: { shape: [2, 6] } },
    { shape: [2, 3, 5], attributes: { shape: [-1, 5] } },
    { shape: [], attributes: { shape: [1, 1] } },
    { shape: [0, 3], attributes: { shape: [3, 0] } }
  ]),
  failures: [
    {
      what: 'another size',
      run: () => ops.reshape(zeros([4, 8]), [5, 5]),
      code: 'ShapeError',
      message: '[reshape] expected a shape of 32 elements, as [4, 8] has, received [5, 5]'
    },
    {
      what: 'a size that does not divide',
      run: () => ops.reshape(zeros([4, 8]), [5, -1]),
      code: 'ShapeError',
      message: '[reshape] expected a shape of 32 elements, as [4, 8] has, received [5, -1]'
    },
    {
      what: 'a free size beside 0',
      run: () => ops.reshape(zeros([0, 3]), [-1, 0]),
      code: 'ShapeError',
      message: '[reshape] expected a shape of 0 elements, as [0, 3] has, received [-1, 0]'
    },
    {
      what: 'two free sizes',
      run: () => ops.reshape(zeros([4]), [-1, -1]),
      code: 'ShapeError',
      message: '[reshape] expected sizes that are not negative and at most one -1, received [-1, -1]'
    },
    {
      what: 'NaN',
      run: () => ops.reshape(zeros([4]), [Number.NaN]),
      code: 'ShapeError',
      message: '[reshape] expected sizes that are not negative and at most one -1, received [NaN]'
    }
  ]
})

test('flatten, expandDims and squeeze are reshapes', () => {
  const x = zeros([2, 1, 3, 1])
  expect(x.flatten().shape).toEqual([6])
  expect(x.expandDims(0).shape).toEqual([1, 2, 1, 3, 1])
  expect(x.expandDims(-1).shape).toEqual([2, 1, 3, 1, 1])
  expect(x.squeeze().shape).toEqual([2, 3])
  expect(x.squeeze(1).shape).toEqual([2, 3, 1])
  expect(() => x.squeeze(0)).toThrow('[squeeze] expected size 1 at axis 0, received [2, 1, 3, 1]')
  expect(() => x.expandDims(6)).toThrow('[expandDims] expected axis in [-5, 4], received axis 6')
})

test('a reshaped variable is a copy, which an assignment does not change', async () => {
  const v = variable(tensor([1, 2, 3, 4]))
  const before = v.reshape([2, 2])
  v.assign([5, 6, 7, 8])
  expect([...(await before.data())]).toEqual([1, 2, 3, 4])
})

opSuite<{ axes?: number[] }>('transpose', {
  run: ([x], { axes }) => ops.transpose(x!, axes),
  reference: ([x], { axes = x!.shape.map((_, i) => x!.shape.length - 1 - i) }) => {
    const order = axes.map((a) => (a < 0 ? a + x!.shape.length : a))
    return pick(
      x!,
      order.map((a) => x!.shape[a]!),
      (at) => x!.shape.map((_, a) => at[order.indexOf(a)]!)
    )
  },
  cases: inEveryDType([
    { shape: [3, 5], attributes: {} },
    { shape: [67, 129], attributes: {} },
    { shape: [2, 3, 4], attributes: { axes: [0, 2, 1] } },
    { shape: [2, 3, 4, 5], attributes: { axes: [3, 0, -2, 1] } },
    { shape: [2, 1, 3, 1, 2, 3], attributes: { axes: [5, 4, 3, 2, 1, 0] } },
    { shape: [], attributes: {} },
    { shape: [0, 3], attributes: {} }
  ]),
  failures: [
    {
      what: 'an axis twice',
      run: () => ops.transpose(zeros([2, 3]), [0, 0]),
      code: 'ShapeError',
      message: '[transpose] expected axes to name each of the 2 axes once, received [0, 0]'
    }
  ]
})

test('swapaxes and moveaxis are transposes', async () => {
  const x = ops.arange(24).reshape([2, 3, 4])
  expect(x.swapaxes(0, -1).shape).toEqual([4, 3, 2])
  const moved = x.moveaxis(0, 1)
  expect(moved.shape).toEqual([3, 2, 4])
  expect([...(await moved.data())].slice(0, 8)).toEqual([0, 1, 2, 3, 12, 13, 14, 15])
})

opSuite<{ axis: number }>('concat', {
  run: (inputs, { axis }) => ops.concat(inputs, axis),
  reference: (arrays, { axis }) => {
    const a = axis < 0 ? axis + arrays[0]!.shape.length : axis
    const shape = arrays[0]!.shape.map((d, i) => (i === a ? arrays.reduce((n, x) => n + x.shape[a]!, 0) : d))
    return array64(shape, (i) => {
      const at = position(shape, i)
      let k = 0
      while (at[a]! >= arrays[k]!.shape[a]!) at[a]! -= arrays[k++]!.shape[a]!
      return arrays[k]!.data[
        offset(
          arrays[k]!.shape,
          at.map((p, d) => (arrays[k]!.shape[d] === 1 ? 0 : p))
        )
      ]!
    })
  },
  cases: dtypes.flatMap((dtype) =>
    (
      [
        [[[3]], 0],
        [[[3], [4], [1]], 0],
        [
          [
            [2, 3],
            [2, 5]
          ],
          1
        ],
        [
          [
            [2, 3, 4],
            [5, 3, 4]
          ],
          0
        ],
        [
          [
            [2, 3, 67],
            [2, 1, 67],
            [2, 7, 67]
          ],
          -2
        ],
        [
          [
            [0, 3],
            [2, 3]
          ],
          0
        ]
      ] as const
    ).map(([shapes, axis]) => ({ inputs: shapes.map((shape) => input(shape, { dtype })), attributes: { axis } }))
  ),
  failures: [
    {
      what: 'nothing',
      run: () => ops.concat([]),
      code: 'ArgumentError',
      message: '[concat] expected an array of at least one tensor, received []'
    },
    {
      what: 'shapes that differ elsewhere',
      run: () => ops.concat([zeros([2, 3]), zeros([3, 3])], 1),
      code: 'ShapeError',
      message: '[concat] expected shapes that are equal but for axis 1, received [2, 3], [3, 3]'
    }
  ]
})

test('stack and unstack, split', async () => {
  const parts = [tensor([1, 2]), tensor([3, 4]), tensor([5, 6])]
  expect(await ops.stack(parts).array()).toEqual([
    [1, 2],
    [3, 4],
    [5, 6]
  ])
  const columns = ops.stack(parts, -1)
  expect(await columns.array()).toEqual([
    [1, 3, 5],
    [2, 4, 6]
  ])
  expect(await Promise.all(columns.unstack(1).map((t) => t.array()))).toEqual([
    [1, 2],
    [3, 4],
    [5, 6]
  ])
  expect(columns.split(3, 1).map((t) => t.shape)).toEqual([
    [2, 1],
    [2, 1],
    [2, 1]
  ])
  expect(
    await Promise.all(
      tensor([0, 1, 2, 3, 4])
        .split([1, 3])
        .map((t) => t.array())
    )
  ).toEqual([[0], [1, 2], [3, 4]])
  expect(() => columns.split(2, 1)).toThrow('[split] expected a number of parts that divides 3, received 2')
})

test('gradients of split flow to each part', async () => {
  const x = tensor([1, 2, 3, 4])
  const { grads } = valueAndGrad(() => {
    const [a, b] = ops.split(x, 2)
    return a!.mul(b!).sum()
  }, [x])
  expect([...(await grads[0]!.data())]).toEqual([3, 4, 1, 2])
})

interface Slice {
  starts: number[]
  sizes: number[]
  strides?: number[]
}

opSuite<Slice>('slice', {
  run: ([x], { starts, sizes, ...options }) => ops.slice(x!, starts, sizes, options),
  reference: ([x], { starts, sizes, strides = starts.map(() => 1) }) =>
    pick(
      x!,
      sizes.map((s, d) => (s === -1 ? Math.ceil((x!.shape[d]! - starts[d]!) / strides[d]!) : s)),
      (at) => at.map((p, d) => starts[d]! + p * strides[d]!)
    ),
  cases: inEveryDType<Slice>([
    { shape: [7], attributes: { starts: [2], sizes: [3] } },
    { shape: [7], attributes: { starts: [1], sizes: [-1], strides: [2] } },
    { shape: [5, 6], attributes: { starts: [1, 0], sizes: [3, 6] } },
    { shape: [4, 5, 6], attributes: { starts: [1, 2, 3], sizes: [2, -1, 1] } },
    { shape: [9, 70, 3], attributes: { starts: [0, 1, 2], sizes: [3, 34, 1], strides: [4, 2, 1] } },
    { shape: [3, 4], attributes: { starts: [3, 0], sizes: [0, 4] } }
  ]),
  failures: [
    {
      what: 'a block that sticks out',
      run: () => ops.slice(zeros([4, 5]), [2, 0], [3, 5]),
      code: 'ShapeError',
      message: '[slice] expected a block inside [4, 5], received starts [2, 0], sizes [3, 5]'
    },
    {
      what: 'too few starts',
      run: () => ops.slice(zeros([4, 5]), [2], [3, 5]),
      code: 'ShapeError',
      message: '[slice] expected 2 starts for shape [4, 5], received [2]'
    },
    {
      what: 'a stride of 0',
      run: () => ops.slice(zeros([4]), [0], [2], { strides: [0] }),
      code: 'ShapeError',
      message: '[slice] expected a block inside [4], received starts [0], sizes [2], strides [0]'
    }
  ]
})

opSuite<{ axis?: number | number[] }>('flip', {
  run: ([x], { axis }) => ops.flip(x!, axis),
  reference: ([x], { axis }) => {
    const rank = x!.shape.length
    const axes = axis === undefined ? x!.shape.map((_, d) => d) : [axis].flat().map((a) => (a + rank) % rank)
    return pick(x!, x!.shape, (at) => at.map((p, d) => (axes.includes(d) ? x!.shape[d]! - 1 - p : p)))
  },
  cases: inEveryDType<{ axis?: number | number[] }>([
    { shape: [], attributes: {} },
    { shape: [7], attributes: { axis: 0 } },
    { shape: [3, 4], attributes: {} },
    { shape: [2, 5, 4, 3], attributes: { axis: 2 } },
    { shape: [2, 5, 6, 16], attributes: { axis: [1, -2] } },
    { shape: [3, 70, 2], attributes: { axis: [0, 2] } },
    { shape: [2, 1, 33], attributes: { axis: -1 } },
    { shape: [0, 3], attributes: { axis: 0 } }
  ]),
  failures: [
    {
      what: 'an axis that is not there',
      run: () => ops.flip(zeros([2, 3]), 2),
      code: 'ShapeError',
      message: '[flip] expected axis in [-2, 1], received axis 2'
    },
    {
      what: 'an axis twice',
      run: () => ops.flip(zeros([2, 3]), [1, -1]),
      code: 'ArgumentError',
      message: '[flip] expected axis to name each axis once, received [1, -1]'
    }
  ]
})

interface Crop {
  borders: number | [number, number] | [number, number][]
}

opSuite<Crop>('crop', {
  run: ([x], { borders }) => ops.crop(x!, borders),
  reference: ([x], { borders }) => {
    const pairs = x!.shape.map((_, d): [number, number] =>
      typeof borders === 'number'
        ? [borders, borders]
        : Array.isArray(borders[0])
          ? (borders as [number, number][])[d]!
          : (borders as [number, number])
    )
    return pick(
      x!,
      x!.shape.map((n, d) => n - pairs[d]![0] - pairs[d]![1]),
      (at) => at.map((p, d) => p + pairs[d]![0])
    )
  },
  cases: inEveryDType<Crop>([
    { shape: [5], attributes: { borders: 1 } },
    { shape: [4, 6], attributes: { borders: [1, 2] } },
    {
      shape: [2, 6, 5, 3],
      attributes: {
        borders: [
          [0, 0],
          [1, 2],
          [2, 0],
          [0, 0]
        ]
      }
    },
    { shape: [4], attributes: { borders: 2 } }
  ]),
  failures: [
    {
      what: 'more than there is',
      run: () => ops.crop(zeros([3, 2]), [1, 2]),
      code: 'ShapeError',
      message: '[crop] expected borders inside [3, 2], received [1, 2]'
    },
    {
      what: 'negative borders',
      run: () => ops.crop(zeros([3, 2]), -1),
      code: 'ArgumentError',
      message: '[crop] expected cropWidth to be a number, [before, after] or 2 such pairs, none negative, received -1'
    }
  ]
})

test('crop undoes pad', async () => {
  const x = tensor([1, 2, 3, 4], [2, 2])
  const width = [
    [1, 0],
    [2, 3]
  ] as const
  expect(await x.pad(width).crop(width).array()).toEqual(await x.array())
})

interface Pad {
  pads: [number, number][]
  mode?: 'constant' | 'edge' | 'reflect'
  constantValues?: number
}

opSuite<Pad>('pad', {
  run: ([x], { pads, ...options }) => ops.pad(x!, pads, options),
  reference: ([x], { pads, mode = 'constant', constantValues = 0 }) =>
    pick(
      x!,
      x!.shape.map((d, i) => d + pads[i]![0] + pads[i]![1]),
      (at) => {
        const source = at.map((p, d) => p - pads[d]![0])
        const inside = source.every((p, d) => p >= 0 && p < x!.shape[d]!)
        if (mode === 'constant') return inside ? source : null
        return source.map((p, d) => {
          const last = x!.shape[d]! - 1
          return mode === 'edge' ? Math.min(Math.max(p, 0), last) : p < 0 ? -p : p > last ? 2 * last - p : p
        })
      },
      constantValues
    ),
  cases: [
    ...inEveryDType<Pad>([
      { shape: [5], attributes: { pads: [[2, 3]] } },
      {
        shape: [3, 4],
        attributes: {
          pads: [
            [1, 0],
            [2, 1]
          ],
          constantValues: 1
        }
      },
      {
        shape: [3, 4],
        attributes: {
          pads: [
            [2, 1],
            [3, 3]
          ],
          mode: 'reflect'
        }
      },
      {
        shape: [3, 4],
        attributes: {
          pads: [
            [2, 1],
            [0, 5]
          ],
          mode: 'edge'
        }
      },
      {
        shape: [2, 5, 3, 67],
        attributes: {
          pads: [
            [0, 0],
            [1, 1],
            [2, 0],
            [0, 0]
          ]
        }
      },
      {
        shape: [2, 5, 3, 4],
        attributes: {
          pads: [
            [0, 0],
            [1, 2],
            [1, 2],
            [0, 0]
          ],
          mode: 'reflect'
        }
      }
    ]),
    {
      inputs: [input([0, 2])],
      attributes: {
        pads: [
          [1, 1],
          [0, 0]
        ],
        constantValues: Number.POSITIVE_INFINITY
      }
    }
  ],
  failures: [
    {
      what: 'mirroring more than there is',
      run: () => ops.pad(zeros([3]), 3, { mode: 'reflect' }),
      code: 'ShapeError',
      message: '[pad] expected at most 2 on axis 0 of [3] in mode reflect, received [3, 3]'
    },
    {
      what: 'a negative width',
      run: () => ops.pad(zeros([3, 3]), [-1, 0]),
      code: 'ArgumentError',
      message: '[pad] expected padWidth to be a number, [before, after] or 2 such pairs, none negative, received [-1, 0]'
    },
    ...(
      [
        ['uint8', 300],
        ['bool', 2],
        ['int32', 0.5]
      ] as const
    ).map(([dtype, value]) => ({
      what: `a fill that ${dtype} cannot hold`,
      run: () => ops.pad(zeros([3], { dtype }), 1, { constantValues: value }),
      code: 'ArgumentError',
      message: `[pad] expected constantValues to be a number of dtype ${dtype}, received ${value}`
    }))
  ]
})

opSuite<{ shape: readonly number[] }>('broadcastTo', {
  run: ([x], { shape }) => ops.broadcastTo(x!, shape),
  reference: ([x], { shape }) => zip((v) => v, x!, { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) }),
  cases: [
    { inputs: [input([3, 1])], attributes: { shape: [2, 3, 4] } },
    { inputs: [input([])], attributes: { shape: [7] } },
    { inputs: [input([5], { dtype: 'uint8' })], attributes: { shape: [3, 5] } },
    { inputs: [input([2, 3])], attributes: { shape: [2, 3] } }
  ],
  failures: [
    {
      what: 'a smaller shape',
      run: () => ops.broadcastTo(zeros([2, 3]), [3]),
      code: 'ShapeError',
      message: '[broadcastTo] expected a shape that [2, 3] broadcasts to, received [3]'
    }
  ]
})

opSuite<{ repeats: number[] }>('tile', {
  run: ([x], { repeats }) => ops.tile(x!, repeats),
  reference: ([x], { repeats }) => {
    const rank = Math.max(repeats.length, x!.shape.length)
    const dims = [...new Array<number>(rank - x!.shape.length).fill(1), ...x!.shape]
    const counts = [...new Array<number>(rank - repeats.length).fill(1), ...repeats]
    return pick(
      { shape: dims, data: x!.data },
      dims.map((d, i) => d * counts[i]!),
      (at) => at.map((p, d) => p % dims[d]!)
    )
  },
  cases: inEveryDType([
    { shape: [3], attributes: { repeats: [4] } },
    { shape: [2, 3], attributes: { repeats: [2, 3] } },
    { shape: [2, 3, 5], attributes: { repeats: [3, 1, 2] } },
    { shape: [3], attributes: { repeats: [2, 2] } },
    { shape: [2, 3], attributes: { repeats: [2] } },
    { shape: [67, 2], attributes: { repeats: [1, 33] } }
  ]),
  failures: [
    {
      what: 'a negative count',
      run: () => ops.tile(zeros([2]), -1),
      code: 'ArgumentError',
      message: '[tile] expected repeats that are integers and not negative, received -1'
    }
  ]
})

test('what zip and pick of the reference do', () => {
  expect([
    ...zip(
      (a, b) => a - b,
      array64([2], (i) => i),
      array64([1], 1)
    ).data
  ]).toEqual([-1, 0])
})
