// Matrix product with bias and activation in its epilogue.
import { checkOptions, type NamesOf } from '../arguments'
import { precisionOn } from '../config'
import { failure, ShapeError, showShape } from '../errors'
import { expectTensor, run } from '../op'
import { scope } from '../scope'
import { sameDim } from '../shape'
import type { Gradient } from '../tape'
import { type Tensor, view } from '../tensor'
import { beforeActivation, type FusedActivation, fusedCode } from './fused'
import { broadcastShapes, expectDType, expectSameDType, floats, unbroadcast } from './rules'

export interface MatmulOptions {
  /** [N], added to each row. */
  bias?: Tensor | null | undefined
  /** Applied after the bias. Default `none`. */
  activation?: FusedActivation | undefined
  /** a is [..., K, M] instead of [..., M, K]. */
  transposeA?: boolean | undefined
  /** b is [..., N, K] instead of [..., K, N]. */
  transposeB?: boolean | undefined
}

const matmulOptions: NamesOf<MatmulOptions> = { bias: 'optional', activation: 'optional', transposeA: 'optional', transposeB: 'optional' }

/**
 * activation(a · b + bias) of a [..., M, K] and b [..., K, N]; leading dimensions broadcast; an operand of rank 1 is a row (a) or a
 * column (b) and its dimension goes. Sums are float32; `setPrecision` says what float32 products are computed with.
 * @throws ShapeError if K differs or the leading dimensions do not broadcast; DTypeError unless both are float32 or both bfloat16
 * @example
 * const hidden = matmul(x, w, { bias: b, activation: 'relu' })
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensor('matmul', 'a', a)
  expectTensor('matmul', 'b', b)
  checkOptions('matmul', options, matmulOptions)
  if (a.rank >= 2 && b.rank >= 2) return product(a, b, options)
  if (a.rank === 0 || b.rank === 0) {
    throw failure(ShapeError, 'matmul', `expected operands of rank 1 or more, received ${showShape(a.shape)} and ${showShape(b.shape)}`)
  }
  return scope(() => {
    const row = a.rank === 1
    const column = b.rank === 1
    const y = product(
      row ? view(a, options.transposeA ? [a.shape[0]!, 1] : [1, a.shape[0]!]) : a,
      column ? view(b, options.transposeB ? [1, b.shape[0]!] : [b.shape[0]!, 1]) : b,
      options
    )
    const last = y.rank - 1
    return view(
      y,
      y.shape.filter((_, i) => !(row && i === last - 1) && !(column && i === last))
    )
  })
}

function product(
  a: Tensor,
  b: Tensor,
  { bias = null, activation = 'none', transposeA = false, transposeB = false }: MatmulOptions
): Tensor {
  expectSameDType('matmul', a, b)
  expectDType('matmul', 'a', a, floats)
  const [aRank, bRank] = [a.rank, b.rank]
  const m = a.shape[transposeA ? aRank - 1 : aRank - 2]!
  const k = a.shape[transposeA ? aRank - 2 : aRank - 1]!
  const kb = b.shape[transposeB ? bRank - 1 : bRank - 2]!
  const n = b.shape[transposeB ? bRank - 2 : bRank - 1]!
  if (!sameDim(k, kb)) {
    const layout = `${transposeA ? '[..., K, M]' : '[..., M, K]'} and ${transposeB ? '[..., N, K]' : '[..., K, N]'}`
    throw failure(ShapeError, 'matmul', `expected ${layout}, received ${showShape(a.shape)} and ${showShape(b.shape)}`)
  }
  if (bias !== null) {
    expectTensor('matmul', 'bias', bias)
    expectDType('matmul', 'bias', bias, [a.dtype])
    if (bias.rank !== 1 || !sameDim(bias.shape[0]!, n))
      throw failure(ShapeError, 'matmul', `expected bias to be [${n}], received ${showShape(bias.shape)}`)
  }
  const shape = aRank === 2 && bRank === 2 ? [m, n] : [...broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
  return run('matmul', [a, b, bias], {
    shape,
    dtype: a.dtype,
    attributes: { transposeA, transposeB, activation: fusedCode('matmul', activation), precision: precisionOn(a.deviceIndex) },
    gradient: matmulGradient
  })
}

const matmulGradient: Gradient = (dy, { inputs, outputs, attributes }) => {
  const [a, b, bias] = inputs as readonly [Tensor, Tensor, Tensor | null]
  const { transposeA, transposeB, activation } = attributes as { transposeA: boolean; transposeB: boolean; activation: number }
  const { dz, db } = beforeActivation(dy, outputs[0]!, activation)
  // With op(a) = a or aᵀ: d op(a) = dz op(b)ᵀ and d op(b) = op(a)ᵀ dz, transposed back where needed.
  return [
    () =>
      unbroadcast(
        transposeA ? matmul(b, dz, { transposeA: transposeB, transposeB: true }) : matmul(dz, b, { transposeB: !transposeB }),
        a.shape
      ),
    () =>
      unbroadcast(
        transposeB ? matmul(dz, a, { transposeA: true, transposeB: transposeA }) : matmul(a, dz, { transposeA: !transposeA }),
        b.shape
      ),
    () => db ?? unbroadcast(dz, bias!.shape)
  ]
}
