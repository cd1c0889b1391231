// Convolution, its transposition and their gradients, in one to three dimensions.
import { type DType, ops, zeros } from '../../lib'
import { type Case, type Input, input, opSuite } from '../support/op-suite'
import { type Array64, array64, map, offset, position, sizeOf } from '../support/reference'

type Activation = 'relu' | 'sigmoid' | 'tanh'
type PerAxis = number | readonly number[]

interface Attributes {
  strides?: PerAxis
  padding?: 'valid' | 'same' | 'causal' | readonly (readonly [number, number])[]
  dilationRate?: PerAxis
  groups?: number
  activation?: Activation
}

interface TransposeAttributes {
  strides?: PerAxis
  padding?: 'valid' | 'same'
  outputPadding?: PerAxis
  dilationRate?: PerAxis
  activation?: Activation
}

const activations = { relu: (x: number) => Math.max(x, 0), sigmoid: (x: number) => 1 / (1 + Math.exp(-x)), tanh: Math.tanh }
const perAxis = (value: PerAxis | undefined, axes: number): readonly number[] =>
  value === undefined || typeof value === 'number' ? new Array<number>(axes).fill(value ?? 1) : value

/** y from x and w as loops over the definition, from the sizes and what lies in front on each axis. */
function correlate(
  x: Array64,
  w: Array64,
  bias: Array64 | undefined,
  sizes: readonly number[],
  {
    strides,
    dilation,
    before,
    groups
  }: { strides: readonly number[]; dilation: readonly number[]; before: readonly number[]; groups: number }
): Array64 {
  const axes = sizes.length
  const [kernel, perGroup, features] = [w.shape.slice(0, axes), w.shape[axes]!, w.shape[axes + 1]!]
  const taps = Array.from({ length: sizeOf(kernel) }, (_, k) => position(kernel, k))
  const [pixels, each] = [sizeOf(sizes), features / groups]
  const y = array64([x.shape[0]!, ...sizes, features])
  for (let pixel = 0; pixel < x.shape[0]! * pixels; pixel++) {
    const at = position(sizes, pixel % pixels)
    const image = Math.floor(pixel / pixels) * sizeOf(x.shape.slice(1, -1))
    const to = y.data.subarray(pixel * features, (pixel + 1) * features)
    if (bias) to.set(bias.data)
    taps.forEach((tap, k) => {
      const place = tap.map((t, d) => at[d]! * strides[d]! + t * dilation[d]! - before[d]!)
      if (place.some((p, d) => p < 0 || p >= x.shape[d + 1]!)) return
      const from = (image + place.reduce((sum, p, d) => sum * x.shape[d + 1]! + p, 0)) * x.shape[axes + 1]!
      for (let channel = 0; channel < groups * perGroup; channel++) {
        const [value, group] = [x.data[from + channel]!, Math.floor(channel / perGroup)]
        const row = (k * perGroup + (channel % perGroup)) * features
        for (let f = group * each; f < (group + 1) * each; f++) to[f]! += value * w.data[row + f]!
      }
    })
  }
  return y
}

function reference(
  [x, w, bias, residual]: Array64[],
  { strides, padding = 'valid', dilationRate, groups = 1, activation }: Attributes = {}
): Array64 {
  const axes = x!.shape.length - 2
  const [stride, dilation] = [perAxis(strides, axes), perAxis(dilationRate, axes)]
  const sizes: number[] = []
  const before: number[] = []
  for (let d = 0; d < axes; d++) {
    const [size, span] = [x!.shape[d + 1]!, (w!.shape[d]! - 1) * dilation[d]! + 1]
    const total = padding === 'same' ? Math.max((Math.ceil(size / stride[d]!) - 1) * stride[d]! + span - size, 0) : 0
    const [front, behind] = Array.isArray(padding) ? padding[d] : padding === 'causal' ? [span - 1, 0] : [total >> 1, total - (total >> 1)]
    before.push(front)
    sizes.push(Math.floor((size + front + behind - span) / stride[d]!) + 1)
  }
  const y = correlate(x!, w!, bias, sizes, { strides: stride, dilation, before, groups })
  residual?.data.forEach((value, i) => {
    y.data[i]! += value
  })
  return activation ? map(y, activations[activation]) : y
}

/** As Keras defines it: a convolution with the flipped kernel over an input with stride - 1 zeros between its elements. */
function transposeReference(
  [x, w, bias]: Array64[],
  { strides, padding = 'valid', outputPadding, dilationRate, activation }: TransposeAttributes = {}
): Array64 {
  const axes = x!.shape.length - 2
  const [stride, dilation] = [perAxis(strides, axes), perAxis(dilationRate, axes)]
  const kernel = w!.shape.slice(0, axes)
  const spread = [x!.shape[0]!, ...x!.shape.slice(1, -1).map((s, d) => (s - 1) * stride[d]! + 1), x!.shape[axes + 1]!]
  const dilated = array64(spread, (i) => {
    const at = position(spread, i)
    if (at.slice(1, -1).some((p, d) => p % stride[d]! !== 0)) return 0
    return x!.data[offset(x!.shape, [at[0]!, ...at.slice(1, -1).map((p, d) => p / stride[d]!), at[axes + 1]!])]!
  })
  const [features, channels] = [w!.shape[axes]!, w!.shape[axes + 1]!]
  const flipped = array64([...kernel, channels, features], (i) => {
    const at = position([...kernel, channels, features], i)
    return w!.data[offset(w!.shape, [...kernel.map((k, d) => k - 1 - at[d]!), at[axes + 1]!, at[axes]!])]!
  })
  const sizes: number[] = []
  const before: number[] = []
  for (let d = 0; d < axes; d++) {
    const [s, k, n] = [stride[d]!, (kernel[d]! - 1) * dilation[d]! + 1, x!.shape[d + 1]!]
    const extra = outputPadding === undefined ? undefined : perAxis(outputPadding, axes)[d]!
    const size =
      padding === 'valid'
        ? (n - 1) * s + (extra === undefined ? Math.max(k, s) : k + extra)
        : extra === undefined
          ? n * s
          : (n - 1) * s + (k % 2) + extra
    const total = size + k - 1 - spread[d + 1]!
    sizes.push(size)
    before.push(padding === 'valid' ? k - 1 : Math.min(Math.ceil(total / 2), k - 1))
  }
  const y = correlate(dilated, flipped, bias, sizes, { strides: new Array(axes).fill(1), dilation, before, groups: 1 })
  return activation ? map(y, activations[activation]) : y
}

type Shapes = [x: readonly number[], w: readonly number[], attributes?: Attributes]

const shapes: Shapes[] = [
  // One pixel, one channel, one feature; and a kernel as large as the input.
  [
    [1, 1, 1],
    [1, 1, 1]
  ],
  [
    [2, 5, 7, 3],
    [5, 7, 3, 4]
  ],
  // Odd sizes, more channels and features than a tile.
  [[2, 7, 5, 3], [3, 3, 3, 5], { padding: 'same' }],
  [[1, 4, 16, 17], [3, 2, 17, 33], { padding: 'same' }],
  [[3, 6, 6, 1], [5, 5, 1, 34], { padding: 'same' }],
  [
    [2, 4, 31, 16],
    [1, 1, 16, 65]
  ],
  [[2, 1, 1, 40], [3, 3, 40, 6], { padding: 'same' }],
  [[5, 2, 2, 20], [3, 3, 20, 24], { padding: 'same' }],
  [[1, 30, 3, 4], [3, 3, 4, 8], { padding: 'valid' }],
  // Strides, below and over the kernel; asymmetric padding; dilation.
  [[2, 8, 7, 3], [3, 3, 3, 6], { strides: 2, padding: 'same' }],
  [[2, 9, 11, 2], [3, 2, 2, 3], { strides: [2, 3] }],
  [[1, 11, 10, 2], [2, 2, 2, 3], { strides: 4, padding: 'same' }],
  [[1, 7, 7, 3], [1, 1, 3, 5], { strides: 2 }],
  [[2, 10, 9, 4], [3, 3, 4, 5], { dilationRate: [2, 3], padding: 'same' }],
  [[1, 13, 12, 3], [3, 3, 3, 4], { dilationRate: 2, strides: 3, padding: 'same' }],
  [[1, 12, 9, 2], [2, 3, 2, 3], { dilationRate: [3, 2], strides: [2, 4] }],
  [
    [1, 4, 5, 2],
    [3, 3, 2, 3],
    {
      padding: [
        [2, 0],
        [1, 3]
      ]
    }
  ],
  [
    [1, 3, 3, 2],
    [2, 2, 2, 3],
    {
      padding: [
        [4, 4],
        [3, 5]
      ],
      strides: 2
    }
  ],
  // Groups, depthwise.
  [[2, 6, 5, 6], [3, 3, 2, 9], { groups: 3, padding: 'same' }],
  [[1, 5, 6, 34], [3, 3, 17, 34], { groups: 2, padding: 'same', strides: 2 }],
  [[2, 7, 6, 5], [3, 3, 1, 5], { groups: 5, padding: 'same' }],
  [[1, 8, 9, 19], [3, 2, 1, 38], { groups: 19, strides: 2, padding: 'same' }],
  [[1, 9, 8, 18], [3, 3, 1, 18], { groups: 18, dilationRate: 2, padding: 'same' }],
  // More taps, windows in a line and channels than a pass over channels takes.
  [[1, 3, 18, 17], [5, 3, 1, 17], { groups: 17, padding: 'same' }],
  // Rows that see the whole kernel, two at a time, and those at borders; steps of two columns; kernels of more rows and taps than are held at a time.
  [[2, 9, 8, 33], [3, 3, 1, 33], { groups: 33, padding: 'same' }],
  [[2, 9, 8, 16], [3, 3, 1, 16], { groups: 16, padding: 'same', strides: 2 }],
  [[1, 8, 11, 5], [5, 5, 1, 5], { groups: 5, padding: 'same', strides: 2 }],
  [[1, 7, 9, 4], [7, 4, 1, 4], { groups: 4, padding: 'same' }],
  [[1, 12, 11, 3], [3, 3, 1, 3], { groups: 3, padding: 'same', dilationRate: 2, strides: 3 }],
  [[2, 12, 6], [4, 1, 6], { groups: 6, padding: 'causal', dilationRate: 2 }],
  [[1, 4, 5, 6, 3], [3, 3, 3, 1, 3], { groups: 3, padding: 'same' }],
  [
    [1, 3, 3, 2],
    [2, 2, 1, 2],
    {
      groups: 2,
      padding: [
        [4, 4],
        [3, 5]
      ]
    }
  ],
  // Several features of a channel.
  [[2, 7, 6, 6], [3, 3, 1, 12], { groups: 6, padding: 'same' }],
  [[1, 5, 6, 18], [3, 3, 1, 54], { groups: 18, padding: 'same', strides: 2 }],
  [[1, 5, 5, 3], [2, 2, 1, 36], { groups: 3 }],
  [[2, 9, 5], [3, 1, 10], { groups: 5, dilationRate: 2 }],
  // Even numbers of channels, which are multiplied in pairs as bfloat16; lines of odd and even length.
  [[2, 5, 7, 4], [3, 3, 4, 6], { padding: 'same' }],
  [[1, 6, 16, 6], [3, 3, 6, 4], { strides: 2, padding: 'same' }],
  [[2, 4, 8, 4], [2, 3, 2, 4], { groups: 2, padding: 'same' }],
  // One and three dimensions.
  [[2, 20, 3], [5, 3, 4], { padding: 'causal', dilationRate: 2 }],
  [[2, 33, 2], [9, 2, 7], { padding: 'same', strides: 2 }],
  [[1, 4, 5, 6, 3], [2, 3, 3, 3, 4], { padding: 'same' }],
  [[2, 5, 4, 5, 2], [3, 2, 2, 1, 4], { strides: [2, 1, 2], groups: 2 }],
  [[1, 6, 5, 4, 2], [2, 2, 3, 2, 3], { dilationRate: [2, 1, 1], padding: 'same' }],
  // Nothing to do.
  [
    [0, 5, 5, 2],
    [3, 3, 2, 4]
  ]
]

// Enough of everything for Winograd's tiles: even and odd sizes, all paddings, channels and features beside whole vectors, narrow last
// panels, three dimensions.
const tiled: Shapes[] = [
  [[2, 8, 8, 32], [3, 3, 32, 32], { padding: 'same' }],
  [[1, 13, 11, 40], [3, 3, 40, 48], { padding: 'same' }],
  [[1, 12, 13, 33], [3, 3, 33, 47], { padding: 'same' }],
  [
    [1, 12, 14, 36],
    [3, 3, 36, 36]
  ],
  [
    [1, 10, 9, 38],
    [3, 3, 38, 40],
    {
      padding: [
        [2, 0],
        [1, 3]
      ]
    }
  ],
  [[1, 3, 6, 8, 32], [1, 3, 3, 32, 32], { padding: 'same' }]
]

// Images and channels enough for lines through several images: blocks of rows, narrow last panels, windows that see nothing, odd numbers of channels.
const many: Shapes[] = [
  [[14, 5, 4, 32], [3, 2, 32, 40], { padding: 'same' }],
  [[9, 5, 6, 32], [3, 3, 32, 12], { strides: 2, padding: 'same' }],
  [[8, 6, 5, 64], [3, 3, 32, 80], { groups: 2, dilationRate: 2, padding: 'same' }],
  [[7, 12, 3, 34], [5, 3, 34, 33], { padding: 'same' }],
  [[16, 9, 33], [4, 33, 40], { padding: 'causal', dilationRate: 2 }],
  [
    [8, 2, 2, 32],
    [3, 3, 32, 36],
    {
      strides: [1, 3],
      padding: [
        [3, 0],
        [1, 5]
      ]
    }
  ]
]

/** Numbers that Winograd's transforms would spread over a tile, at one pixel or one weight. */
const spikes = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38]
const spiked = (shape: readonly number[], at: number, value: number): Input =>
  input(shape, { low: -1, high: 1, values: [...Array.from({ length: at }, (_, i) => Math.sin(i)), value] })

const plainCases = (dtype: DType, shapes: readonly Shapes[]): Case<Attributes>[] =>
  shapes.map(([x, w, attributes]) => ({
    inputs: [input(x, { dtype }), input(w, { dtype, low: -1, high: 1 })],
    ...(attributes ? { attributes } : {})
  }))

function cases(dtype: DType): Case<Attributes>[] {
  const plain = plainCases(dtype, shapes)
  const fused = ([undefined, 'relu', 'sigmoid', 'tanh'] as const).flatMap((activation) =>
    [5, 33].map((features) => ({
      inputs: [
        input([2, 5, 6, 3], { dtype, low: -0.5, high: 0.5 }),
        input([3, 3, 3, features], { dtype, low: -0.5, high: 0.5 }),
        input([features], { dtype })
      ],
      attributes: { padding: 'same' as const, ...(activation ? { activation } : {}) },
      // Near 0 the reference and bfloat16 may be on two sides of the kink.
      ...(dtype === 'bfloat16' && activation === 'relu' ? { withoutGradient: 'kink' } : {})
    }))
  )
  return [...plain, ...fused]
}

opSuite<Attributes>('conv', {
  run: ([x, w, bias], options) => ops.conv(x!, w!, { ...options, bias: bias ?? null }),
  reference,
  cases: [
    ...cases('float32'),
    ...cases('bfloat16').map((c) => ({ ...c, tolerance: 4e-3 })),
    ...([undefined, 'relu'] as const).map((activation) => ({
      inputs: [
        input([1, 3, 4, 2], { values: [Number.NaN, 1, 2, 3, Number.POSITIVE_INFINITY, 5] }),
        input([2, 2, 2, 3], { low: 0.1, high: 1 }),
        input([3])
      ],
      attributes: { padding: 'same' as const, ...(activation ? { activation } : {}) },
      withoutGradient: 'NaN'
    })),
    ...plainCases('float32', tiled),
    ...plainCases('bfloat16', tiled).map((c) => ({ ...c, tolerance: 4e-3 })),
    ...plainCases('float32', many),
    ...plainCases('bfloat16', many).map((c) => ({ ...c, tolerance: 4e-3 })),
    ...([undefined, 'relu'] as const).flatMap((activation) =>
      spikes.flatMap((value) => [
        {
          inputs: [spiked([1, 8, 8, 32], 18 * 32 + 5, value), input([3, 3, 32, 32], { low: -1, high: 1 }), input([32])],
          attributes: { padding: 'same' as const, ...(activation ? { activation } : {}) },
          withoutGradient: 'infinite'
        },
        {
          inputs: [input([1, 10, 10, 32], { low: -1, high: 1 }), spiked([3, 3, 32, 32], 4 * 32 * 32 + 5, value), input([32])],
          attributes: activation ? { activation } : {},
          withoutGradient: 'infinite'
        }
      ])
    )
  ],
  tolerance: 2e-5,
  failures: [
    {
      what: 'an option that it does not have',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 8]), { stride: 2 } as ops.ConvOptions),
      code: 'ArgumentError',
      message: "[conv] unknown option 'stride': did you mean 'strides'?"
    },
    {
      what: 'a kernel of another number of channels',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 3, 8])),
      code: 'ShapeError',
      message: '[conv] expected w to be [kH, kW, 4, F], received [3, 3, 3, 8]'
    },
    {
      what: 'a kernel that does not fit',
      run: () =>
        ops.conv(zeros([1, 2, 5, 4]), zeros([4, 3, 4, 8]), {
          padding: [
            [1, 0],
            [0, 0]
          ]
        }),
      code: 'ShapeError',
      message: '[conv] expected windows of 4 to fit into axis 1 of [null, 2, 5, null] (3 with padding)'
    },
    {
      what: 'groups that do not divide',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 1, 9]), { groups: 3 }),
      code: 'ShapeError',
      message: '[conv] expected groups to divide 4 channels and 9 features, received 3'
    },
    {
      what: 'a stride of 0',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { strides: [1, 0] }),
      code: 'ArgumentError',
      message: '[conv] expected strides to be an integer of at least 1, or 2 of them, received [1, 0]'
    },
    {
      what: 'causal padding of images',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { padding: 'causal' }),
      code: 'ArgumentError',
      message: '[conv] expected padding causal on one spatial axis, received it on 2'
    },
    {
      what: 'an unknown padding',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { padding: 'full' as 'same' }),
      code: 'ArgumentError',
      message: '[conv] expected padding to be valid, same, causal, a size or 2 pairs [before, after], received "full"'
    },
    {
      what: 'an input without channels',
      run: () => ops.conv(zeros([5, 5]), zeros([3, 3, 4, 9])),
      code: 'ShapeError',
      message: '[conv] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [5, 5]'
    },
    {
      what: 'a bias of another width',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { bias: zeros([4]) }),
      code: 'ShapeError',
      message: '[conv] expected bias to be [9], received [4]'
    },
    {
      what: 'a residual of another shape',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { residual: zeros([1, 5, 5, 9]) }),
      code: 'ShapeError',
      message: '[conv] expected residual to be [1, 3, 3, 9], received [1, 5, 5, 9]'
    },
    {
      what: 'a residual of another dtype',
      run: () => ops.conv(zeros([1, 5, 5, 4]), zeros([3, 3, 4, 9]), { residual: zeros([1, 3, 3, 9], { dtype: 'bfloat16' }) }),
      code: 'DTypeError',
      message: '[conv] expected residual to be float32, received bfloat16: use cast'
    }
  ]
})

// A residual behind every kind of product; relu where few pixels share a bias, so that none is at its kink.
const residuals: [x: readonly number[], w: readonly number[], y: readonly number[], attributes?: Attributes][] = [
  [[2, 5, 6, 3], [3, 3, 3, 4], [2, 5, 6, 4], { padding: 'same' }],
  [[2, 5, 6, 3], [2, 3, 3, 20], [2, 2, 2, 20], { strides: [2, 3] }],
  [[2, 4, 4, 6], [3, 3, 3, 4], [2, 4, 4, 4], { groups: 2, dilationRate: 2, padding: 'same' }],
  [[2, 5, 5, 4], [3, 3, 1, 4], [2, 5, 5, 4], { groups: 4, padding: 'same' }],
  [
    [2, 3, 4, 5],
    [1, 1, 5, 3],
    [2, 3, 4, 3]
  ],
  [[1, 10, 11, 32], [3, 3, 32, 32], [1, 10, 11, 32], { padding: 'same' }],
  [[2, 9, 4], [3, 4, 2], [2, 9, 2], { padding: 'causal' }],
  [[1, 2, 320, 32], [3, 3, 32, 32], [1, 2, 320, 32], { padding: 'same' }],
  [
    [1, 3, 4, 3, 2],
    [2, 2, 2, 2, 3],
    [1, 2, 3, 2, 3]
  ]
]
opSuite<Attributes>('conv with a residual', {
  run: ([x, w, bias, residual], options) => ops.conv(x!, w!, { ...options, bias: bias!, residual: residual! }),
  reference,
  tolerance: 2e-5,
  cases: [
    ...(['float32', 'bfloat16'] as const).flatMap((dtype) =>
      residuals.flatMap(([x, w, y, attributes], i) =>
        [undefined, (['relu', 'sigmoid', 'tanh'] as const)[i % 3]!].map((activation) => ({
          inputs: [
            input(x, { dtype, low: -0.5, high: 0.5 }),
            input(w, { dtype, low: -0.5, high: 0.5 }),
            input(w.slice(-1), { dtype }),
            input(y, { dtype })
          ],
          attributes: { ...attributes, ...(activation ? { activation } : {}) },
          ...(dtype === 'bfloat16' ? { tolerance: 8e-3 } : {}),
          // Near 0 the reference and bfloat16 may be on two sides of the kink.
          ...(dtype === 'bfloat16' && activation === 'relu' ? { withoutGradient: 'kink' } : {})
        }))
      )
    ),
    ...[
      [1, 8, 8, 32],
      [1, 8, 8, 3]
    ].map((shape) => ({
      inputs: [
        input(shape),
        input([3, 3, shape[3]!, 32], { low: -1, high: 1 }),
        input([32]),
        input([1, 6, 6, 32], { values: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] })
      ],
      attributes: { activation: 'relu' as const },
      withoutGradient: 'NaN'
    }))
  ]
})

const transposed: [x: readonly number[], w: readonly number[], attributes?: TransposeAttributes][] = [
  [
    [1, 1, 1],
    [1, 1, 1]
  ],
  [
    [2, 4, 5, 3],
    [3, 3, 6, 3]
  ],
  [[2, 4, 5, 3], [3, 3, 6, 3], { padding: 'same' }],
  [[1, 5, 6, 33], [2, 2, 35, 33], { strides: 2 }],
  [[2, 3, 4, 5], [3, 3, 4, 5], { strides: 2, padding: 'same' }],
  [[2, 3, 4, 5], [4, 5, 4, 5], { strides: [2, 3], padding: 'same' }],
  [[1, 3, 4, 2], [2, 1, 4, 2], { strides: 3 }],
  [[1, 3, 4, 2], [3, 3, 4, 2], { strides: 2, padding: 'same', outputPadding: 1 }],
  [[1, 3, 4, 2], [3, 2, 4, 2], { strides: 3, outputPadding: [0, 2] }],
  [[1, 4, 4, 2], [3, 3, 3, 2], { dilationRate: 2 }],
  [[2, 9, 4], [5, 3, 4], { strides: 2, padding: 'same' }],
  [[1, 2, 3, 4, 2], [2, 3, 2, 3, 2], { strides: [2, 1, 2] }],
  [
    [0, 3, 3, 2],
    [2, 2, 3, 2]
  ]
]

opSuite<TransposeAttributes>('convTranspose', {
  run: ([x, w, bias], options) => ops.convTranspose(x!, w!, { ...options, bias: bias ?? null }),
  reference: transposeReference,
  cases: [
    ...(['float32', 'bfloat16'] as const).flatMap((dtype) =>
      transposed.map(([x, w, attributes]) => ({
        inputs: [input(x, { dtype }), input(w, { dtype, low: -1, high: 1 })],
        ...(attributes ? { attributes } : {}),
        ...(dtype === 'bfloat16' ? { tolerance: 4e-3 } : {})
      }))
    ),
    ...(['relu', 'tanh'] as const).map((activation) => ({
      inputs: [input([2, 3, 4, 3]), input([3, 3, 5, 3], { low: -0.5, high: 0.5 }), input([5])],
      attributes: { strides: 2, padding: 'same' as const, activation }
    })),
    ...spikes.map((value) => ({
      inputs: [spiked([1, 8, 8, 32], 18 * 32 + 5, value), input([3, 3, 32, 32], { low: -1, high: 1 })],
      attributes: { padding: 'same' as const },
      withoutGradient: 'infinite'
    }))
  ],
  tolerance: 2e-5,
  failures: [
    {
      what: 'a kernel of another number of channels',
      run: () => ops.convTranspose(zeros([1, 5, 5, 4]), zeros([3, 3, 3, 8])),
      code: 'ShapeError',
      message: '[convTranspose] expected w to be [kH, kW, F, 4], received [3, 3, 3, 8]'
    },
    {
      what: 'an output padding as large as the stride',
      run: () => ops.convTranspose(zeros([1, 5, 5, 4]), zeros([3, 3, 3, 4]), { strides: 2, outputPadding: 2 }),
      code: 'ArgumentError',
      message: '[convTranspose] expected outputPadding to be less than the stride 2, received 2'
    },
    {
      what: 'explicit padding',
      run: () => ops.convTranspose(zeros([1, 5, 5, 4]), zeros([3, 3, 3, 4]), { padding: 1 as unknown as 'same' }),
      code: 'ArgumentError',
      message: '[convTranspose] expected padding to be valid or same, received 1'
    }
  ]
})

// Convolutions whose input is read by somebody else too: their gradient of the data is added to what came before.
opSuite<Attributes>('conv beside another use of its input', {
  run: ([x, w], attributes) => ops.add(ops.sin(x!), ops.conv(x!, w!, attributes).square().mean()),
  reference: (inputs, attributes) => {
    const y = reference(inputs, attributes)
    const squares = y.data.reduce((sum, v) => sum + v * v, 0) / y.data.length
    return map(inputs[0]!, (v) => Math.sin(v) + squares)
  },
  tolerance: 1e-4,
  cases: (
    [
      [[2, 5, 6, 3], [3, 3, 3, 4], { padding: 'same' }],
      [[2, 5, 6, 3], [2, 3, 3, 4], { strides: [2, 3] }],
      [[2, 4, 4, 6], [3, 3, 3, 4], { groups: 2, dilationRate: 2, padding: 'same' }],
      [[2, 5, 5, 4], [3, 3, 1, 4], { groups: 4, padding: 'same' }],
      [[2, 5, 5, 4], [3, 3, 1, 4], { groups: 4, strides: 2 }],
      [[2, 3, 4, 5], [1, 1, 5, 3], {}],
      [[1, 3, 4, 40], [1, 1, 40, 2], { strides: 2 }],
      [[1, 10, 11, 32], [3, 3, 32, 32], { padding: 'same' }],
      [[1, 2, 320, 32], [3, 3, 32, 32], { padding: 'same' }],
      [[1, 8, 16, 32], [3, 6, 32, 32], { padding: 'same', strides: [1, 2] }],
      [[2, 9, 3], [3, 3, 2], { padding: 'causal' }],
      [[1, 3, 4, 3, 2], [2, 2, 2, 2, 3], {}]
    ] as Shapes[]
  ).map(([x, w, attributes]) => ({ inputs: [input(x), input(w)], attributes: attributes! }))
})
