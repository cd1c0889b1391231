// Resizing and upsampling over one to three spatial axes, larger and smaller, and channels for pixels.
import { type DType, ops, tensor, valueAndGrad, zeros } from '../../lib'
import type { Interpolation } from '../../lib/ops/resize'
import { type Case, input, onEveryDevice, opSuite } from '../support/op-suite'
import { type Array64, array64, pick, sizeOf } from '../support/reference'

const interpolations = ['nearest', 'bilinear', 'bicubic'] as const

/** The weight of an element at distance d from a point. */
const kernels: Record<Exclude<Interpolation, 'nearest'>, (d: number) => number> = {
  bilinear: (d) => Math.max(0, 1 - Math.abs(d)),
  bicubic: (distance) => {
    const [a, d] = [-0.75, Math.abs(distance)]
    if (d < 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1
    return d < 2 ? a * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0
  }
}

/** Which elements of an axis an output is made of, with their weights. The element at an end counts with all the weight beyond it. */
function tapsOf(output: number, outputs: number, length: number, interpolation: Interpolation): [element: number, weight: number][] {
  const place = ((output + 0.5) * length) / outputs
  if (interpolation === 'nearest') return [[Math.floor(place), 1]]
  const centre = place - 0.5
  const weights = new Array<number>(length).fill(0)
  for (let p = Math.floor(centre) - 2; p <= Math.floor(centre) + 3; p++)
    weights[Math.min(Math.max(p, 0), length - 1)]! += kernels[interpolation](centre - p)
  return [...weights.entries()].filter(([, weight]) => weight !== 0)
}

/** One axis after the other. What has no weight is not read. */
function resize(x: Array64, size: readonly number[], interpolation: Interpolation): Array64 {
  return size.reduce((image, outputs, i) => {
    const length = image.shape[i + 1]!
    const inner = sizeOf(image.shape.slice(i + 2))
    const taps = Array.from({ length: outputs }, (_, output) => tapsOf(output, outputs, length, interpolation))
    const shape = image.shape.map((n, d) => (d === i + 1 ? outputs : n))
    return array64(shape, (index) => {
      const line = Math.floor(index / inner)
      const from = Math.floor(line / outputs) * length
      return taps[line % outputs]!.reduce((sum, [p, weight]) => sum + weight * image.data[(from + p) * inner + (index % inner)]!, 0)
    })
  }, x)
}

interface Resize {
  size: readonly number[]
  interpolation: Interpolation
}

const sizes: [shape: readonly number[], size: readonly number[]][] = [
  [[1, 1, 1], [3]],
  [[2, 5, 3], [8]],
  [[2, 13, 1], [5]],
  [
    [2, 4, 5, 3],
    [7, 9]
  ],
  [
    [2, 9, 7, 5],
    [4, 3]
  ],
  [
    [1, 3, 8, 17],
    [6, 5]
  ],
  [
    [1, 3, 4, 2],
    [3, 4]
  ],
  [
    [1, 3, 4, 83],
    [5, 6]
  ],
  [
    [1, 1, 2, 2],
    [7, 5]
  ],
  [
    [1, 7, 5, 2],
    [1, 1]
  ],
  [
    [1, 2, 50, 83],
    [1, 9]
  ],
  [
    [1, 2, 9, 83],
    [1, 50]
  ],
  [
    [1, 2, 3, 4, 3],
    [3, 5, 2]
  ],
  [
    [2, 2, 2, 2, 4],
    [4, 1, 6]
  ],
  [
    [0, 3, 4, 2],
    [5, 5]
  ],
  [
    [2, 3, 4, 0],
    [5, 5]
  ]
]
const refusals = (name: string, run: (shape: readonly number[], dtype: DType, interpolation?: Interpolation) => unknown) => [
  {
    what: 'another interpolation',
    run: () => run([1, 2, 3, 1], 'float32', 'lanczos3' as 'bicubic'),
    code: 'ArgumentError',
    message: `[${name}] expected interpolation to be one of nearest, bilinear, bicubic, received "lanczos3"`
  },
  {
    what: 'bytes in between',
    run: () => run([1, 2, 3, 1], 'uint8', 'bilinear'),
    code: 'DTypeError',
    message: `[${name}] expected x to be float32 or bfloat16, received uint8: use cast`
  },
  {
    what: 'an input without spatial axes',
    run: () => run([2, 3], 'float32'),
    code: 'ShapeError',
    message: `[${name}] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [2, 3]`
  },
  {
    what: 'four spatial axes',
    run: () => run([1, 2, 2, 2, 2, 1], 'float32'),
    code: 'ShapeError',
    message: `[${name}] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [1, 2, 2, 2, 2, 1]`
  },
  {
    what: 'an input without pixels',
    run: () => run([1, 0, 3, 1], 'float32'),
    code: 'ShapeError',
    message: `[${name}] expected an input that is not empty, received [1, 0, 3, 1]`
  }
]
opSuite<Resize>('resize', {
  run: ([x], { size, interpolation }) => ops.resize(x!, size, { interpolation }),
  reference: ([x], { size, interpolation }) => resize(x!, size, interpolation),
  cases: [
    ...sizes.flatMap(([shape, size]) =>
      interpolations.flatMap((interpolation) =>
        (['float32', 'bfloat16'] as const).map(
          (dtype): Case<Resize> => ({ inputs: [input(shape, { dtype })], attributes: { size, interpolation } })
        )
      )
    ),
    ...(['int32', 'uint8', 'bool'] as const).flatMap((dtype) =>
      [
        ...sizes,
        [
          [2, 3, 4, 16],
          [7, 6]
        ] as const
      ].map(([shape, size]): Case<Resize> => ({ inputs: [input(shape, { dtype })], attributes: { size, interpolation: 'nearest' } }))
    ),
    ...interpolations.map(
      (interpolation): Case<Resize> => ({
        inputs: [input([1, 4, 4, 1], { values: [1, Number.NaN, 2, 3, 4, Infinity, 5, 6, 7, 8, 9, -Infinity] })],
        attributes: { size: [12, 3], interpolation },
        withoutGradient: 'NaN'
      })
    )
  ],
  failures: [
    ...refusals('resize', (shape, dtype, interpolation) => ops.resize(zeros(shape, { dtype }), 2, { interpolation })),
    ...(
      [
        [0, '0'],
        [-3, '-3'],
        [2.5, '2.5'],
        [Number.NaN, 'NaN'],
        [[4, 0], '[4, 0]'],
        [[4], '[4]'],
        [[4, 4, 4], '[4, 4, 4]'],
        ['4' as unknown as number, '"4"'],
        [undefined as unknown as number, 'undefined']
      ] as const
    ).map(([size, shown]) => ({
      what: `the size ${shown}`,
      run: () => ops.resize(zeros([1, 2, 3, 1]), size),
      code: 'ArgumentError',
      message: `[resize] expected size to be an integer of at least 1, or 2 of them, received ${shown}`
    }))
  ]
})

interface Upsample {
  size: number | readonly number[]
  interpolation?: Interpolation
}

opSuite<Upsample>('upsample', {
  run: ([x], options) => ops.upsample(x!, options),
  reference: ([x], { size, interpolation = 'nearest' }) => {
    const spatial = x!.shape.slice(1, -1)
    const factors = typeof size === 'number' ? spatial.map(() => size) : size
    if (interpolation === 'nearest') {
      const all = [1, ...factors, 1]
      return pick(
        x!,
        x!.shape.map((n, d) => n * all[d]!),
        (at) => at.map((p, d) => Math.floor(p / all[d]!))
      )
    }
    return resize(
      x!,
      spatial.map((n, i) => n * factors[i]!),
      interpolation
    )
  },
  cases: [
    { inputs: [input([1, 1, 1])], attributes: { size: 3 } },
    { inputs: [input([2, 3, 4, 5])], attributes: { size: [2, 3] } },
    { inputs: [input([2, 3, 4, 5], { dtype: 'bfloat16' })], attributes: { size: 2 } },
    { inputs: [input([1, 2, 3, 2, 3])], attributes: { size: [2, 1, 2] } },
    { inputs: [input([2, 3, 4], { dtype: 'uint8' })], attributes: { size: 2 } },
    { inputs: [input([0, 3, 4])], attributes: { size: 2 } },
    { inputs: [input([2, 3, 4, 5])], attributes: { size: 2, interpolation: 'bilinear' } },
    { inputs: [input([1, 2, 3, 2, 3])], attributes: { size: [2, 1, 2], interpolation: 'bilinear' } },
    { inputs: [input([2, 3, 4, 5])], attributes: { size: [3, 2], interpolation: 'bicubic' } }
  ],
  failures: [
    ...refusals('upsample', (shape, dtype, interpolation) => ops.upsample(zeros(shape, { dtype }), { size: 2, interpolation })),
    {
      what: 'a size of 0',
      run: () => ops.upsample(zeros([1, 2, 3]), { size: 0 }),
      code: 'ArgumentError',
      message: '[upsample] expected size to be an integer of at least 1, received 0'
    }
  ]
})

describe('gradients that finite differences do not show', () => {
  onEveryDevice(() => {
    test('an element that nothing reads gets none, even beside NaN', async () => {
      const x = tensor([1, 2, 3, 4, 5, 6], [1, 6, 1])
      const weights = tensor([Number.NaN, 10], [1, 2, 1])
      for (const interpolation of ['nearest', 'bilinear', 'bicubic'] as const) {
        // Two of six: their points are the centres of elements 1 and 4.
        const { value, grads } = valueAndGrad(() => ops.resize(x, 2, { interpolation }).mul(weights).sum(), [x])
        expect([...(await grads[0]!.data())]).toEqual([0, Number.NaN, 0, 0, 10, 0])
        for (const t of [value, ...grads]) t.dispose()
      }
      x.dispose()
      weights.dispose()
    })
    test('they can be differentiated again', async () => {
      const x = tensor([1, 2], [1, 2, 1])
      const inner = () => valueAndGrad(() => ops.resize(x, 4).square().sum(), [x]).grads[0]!
      const { value, grads } = valueAndGrad(() => inner().sum(), [x])
      // y = A x with rows (1, 0), (3/4, 1/4), (1/4, 3/4), (0, 1): dx = 2 AᵀA x, whose sum has the derivative 2 AᵀA 1 = 2 Aᵀ 1.
      expect([...(await grads[0]!.data())]).toEqual([4, 4])
      for (const t of [value, ...grads, x]) t.dispose()
    })
  })
})

const everyDType = <A>(cases: readonly [shape: readonly number[], attributes: A][]): Case<A>[] =>
  (['float32', 'bfloat16', 'int32', 'uint8', 'bool'] as const).flatMap((dtype) =>
    cases.map(([shape, attributes]) => ({ inputs: [input(shape, { dtype })], attributes }))
  )

interface Block {
  block: number | readonly number[]
}

/** Where a pixel's channel c lies when blocks become channels: (place, c) → the pixel inside the block, and its channel. */
function inBlock(block: readonly number[], channels: number, c: number): { inside: number[]; channel: number } {
  let rest = Math.floor(c / channels)
  const inside = block.map(() => 0)
  for (let i = block.length - 1; i >= 0; i--) {
    inside[i] = rest % block[i]!
    rest = Math.floor(rest / block[i]!)
  }
  return { inside, channel: c % channels }
}

const blockOf = (x: Array64, block: number | readonly number[]): readonly number[] =>
  typeof block === 'number' ? x.shape.slice(1, -1).map(() => block) : block
const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1)

opSuite<Block>('spaceToDepth', {
  run: ([x], { block }) => ops.spaceToDepth(x!, block),
  reference: ([x], { block }) => {
    const b = blockOf(x!, block)
    const channels = x!.shape.at(-1)!
    const shape = [x!.shape[0]!, ...b.map((n, i) => x!.shape[i + 1]! / n), channels * product(b)]
    return pick(x!, shape, (at) => {
      const { inside, channel } = inBlock(b, channels, at.at(-1)!)
      return [at[0]!, ...b.map((n, i) => at[i + 1]! * n + inside[i]!), channel]
    })
  },
  cases: everyDType<Block>([
    [[2, 4, 6, 3], { block: 2 }],
    [[1, 6, 4, 5], { block: [3, 2] }],
    [[2, 6, 2], { block: 3 }],
    [[1, 2, 4, 6, 2], { block: [1, 2, 3] }],
    [[0, 2, 2, 1], { block: 2 }]
  ]),
  failures: [
    {
      what: 'an axis that does not divide',
      run: () => ops.spaceToDepth(zeros([1, 4, 5, 1]), 2),
      code: 'ShapeError',
      message: '[spaceToDepth] expected spatial axes that [2, 2] divides, received [1, 4, 5, 1]'
    },
    {
      what: 'a block of 0',
      run: () => ops.spaceToDepth(zeros([1, 4, 4, 1]), 0),
      code: 'ArgumentError',
      message: '[spaceToDepth] expected blockSize to be an integer of at least 1, or 2 of them, received 0'
    },
    {
      what: 'a matrix',
      run: () => ops.spaceToDepth(zeros([4, 4]), 2),
      code: 'ShapeError',
      message: '[spaceToDepth] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [4, 4]'
    }
  ]
})

opSuite<Block>('depthToSpace', {
  run: ([x], { block }) => ops.depthToSpace(x!, block),
  reference: ([x], { block }) => {
    const b = blockOf(x!, block)
    const channels = x!.shape.at(-1)! / product(b)
    const shape = [x!.shape[0]!, ...b.map((n, i) => x!.shape[i + 1]! * n), channels]
    return pick(x!, shape, (at) => {
      const inside = b.reduce((before, n, i) => before * n + (at[i + 1]! % n), 0)
      return [at[0]!, ...b.map((n, i) => Math.floor(at[i + 1]! / n)), inside * channels + at.at(-1)!]
    })
  },
  cases: everyDType<Block>([
    [[2, 2, 3, 12], { block: 2 }],
    [[1, 2, 2, 30], { block: [3, 2] }],
    [[2, 5, 6], { block: 3 }],
    [[1, 2, 2, 2, 12], { block: [1, 2, 3] }],
    [[0, 2, 2, 4], { block: 2 }]
  ]),
  failures: [
    {
      what: 'channels that do not divide',
      run: () => ops.depthToSpace(zeros([1, 2, 2, 6]), 2),
      code: 'ShapeError',
      message: '[depthToSpace] expected channels that 4 divides, received [1, 2, 2, 6]'
    },
    {
      what: 'a negative block',
      run: () => ops.depthToSpace(zeros([1, 2, 2, 4]), -2),
      code: 'ArgumentError',
      message: '[depthToSpace] expected blockSize to be an integer of at least 1, or 2 of them, received -2'
    },
    {
      what: 'a block of fractions',
      run: () => ops.depthToSpace(zeros([1, 2, 2, 4]), [2, 0.5]),
      code: 'ArgumentError',
      message: '[depthToSpace] expected blockSize to be an integer of at least 1, or 2 of them, received [2, 0.5]'
    },
    {
      what: 'a matrix',
      run: () => ops.depthToSpace(zeros([2, 4]), 2),
      code: 'ShapeError',
      message: '[depthToSpace] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [2, 4]'
    }
  ]
})
