// Upsampling over one to three spatial axes.
import { ops, zeros } from '../../lib'
import { input, opSuite } from '../support/op-suite'
import { pick } from '../support/reference'

interface Attributes {
  size: number | readonly number[]
}

opSuite<Attributes>('upsample', {
  run: ([x], { size }) => ops.upsample(x!, { size }),
  reference: ([x], { size }) => {
    const axes = x!.shape.length - 2
    const factor = [1, ...(typeof size === 'number' ? new Array<number>(axes).fill(size) : size), 1]
    return pick(
      x!,
      x!.shape.map((n, d) => n * factor[d]!),
      (at) => at.map((p, d) => Math.floor(p / factor[d]!))
    )
  },
  cases: [
    { inputs: [input([1, 1, 1])], attributes: { size: 3 } },
    { inputs: [input([2, 3, 4, 5])], attributes: { size: [2, 3] } },
    { inputs: [input([2, 3, 4, 5], { dtype: 'bfloat16' })], attributes: { size: 2 }, tolerance: 4e-3 },
    { inputs: [input([1, 2, 3, 2, 3])], attributes: { size: [2, 1, 2] } },
    { inputs: [input([2, 3, 4], { dtype: 'uint8' })], attributes: { size: 2 } },
    { inputs: [input([0, 3, 4])], attributes: { size: 2 } }
  ],
  failures: [
    {
      what: 'a size of 0',
      run: () => ops.upsample(zeros([1, 2, 3]), { size: 0 }),
      code: 'ArgumentError',
      message: '[upsample] expected size to be an integer of at least 1, received 0'
    },
    {
      what: 'another interpolation',
      run: () => ops.upsample(zeros([1, 2, 3]), { size: 2, interpolation: 'bilinear' as 'nearest' }),
      code: 'ArgumentError',
      message: '[upsample] expected interpolation to be nearest, received "bilinear"'
    },
    {
      what: 'an input without spatial axes',
      run: () => ops.upsample(zeros([2, 3]), { size: 2 }),
      code: 'ShapeError',
      message: '[upsample] expected x to be [B, W, C], [B, H, W, C] or [B, D, H, W, C], received [2, 3]'
    }
  ]
})
