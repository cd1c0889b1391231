// Normalisation by channel (batch and group norm) and by row (layer, rms and unit norm).
import { checkOptions, type NamesOf } from '../arguments'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { type Attributes, expectTensor, run, runAll } from '../op'
import { sameShape, sizeOf } from '../shape'
import type { Gradient, TapeNode } from '../tape'
import { type Tensor, view } from '../tensor'
import { fusedGradient } from './composed'
import { zerosLike } from './creation'
import { add, div, maximum, mul, sub } from './elementwise-binary'
import { cast, neg, relu, rsqrt, square } from './elementwise-unary'
import { reshape, transpose } from './movement'
import { mean, sum } from './reduce'
import { checkAxes, expectDType, expectSameDType, floats } from './rules'

/** What a normalisation multiplies by and adds afterwards. */
export interface AffineOptions {
  /** Factor, float32, of the shape of what is normalised together. Default 1. */
  gamma?: Tensor | null | undefined
  /** Summand, as gamma. Default 0. */
  beta?: Tensor | null | undefined
  /** Added to what is divided by. Default 1e-3, as in Keras. */
  epsilon?: number | undefined
}

const affineOptions: NamesOf<AffineOptions> = { gamma: 'optional', beta: 'optional', epsilon: 'optional' }

export interface BatchNormOptions extends AffineOptions {
  /** Added to the result, of x's shape and dtype. */
  residual?: Tensor | null | undefined
  /** Applied last. Default `none`. */
  activation?: 'none' | 'relu' | undefined
}

const batchNormOptions: NamesOf<BatchNormOptions> = { ...affineOptions, residual: 'optional', activation: 'optional' }

function expectFloats(name: string, x: Tensor, rank: number): void {
  expectTensor(name, 'x', x)
  expectDType(name, 'x', x, floats)
  if (x.rank < rank) throw failure(ShapeError, name, `expected x of rank ${rank} or more, received ${showShape(x.shape)}`)
}

/** An operand of float32 that may be left out. */
function parameter(name: string, what: string, value: Tensor | null | undefined, shape: readonly number[]): Tensor | null {
  if (value == null) return null
  expectTensor(name, what, value)
  expectDType(name, what, value, ['float32'])
  if (sameShape(value.shape, shape)) return value
  throw failure(ShapeError, name, `expected ${what} to be ${showShape(shape)}, received ${showShape(value.shape)}`)
}

function positive(name: string, epsilon: unknown): number {
  if (typeof epsilon === 'number' && Number.isFinite(epsilon) && epsilon > 0) return epsilon
  throw failure(ArgumentError, name, `expected epsilon to be a positive number, received ${show(epsilon)}`)
}

// ---- By channel

interface Groups {
  /** Leading sizes of which each has statistics of its own. */
  outer: number
  groups: number
}

/** Population variance. */
export type Moments = readonly [mean: Tensor, variance: Tensor]

function moments(x: Tensor, { outer, groups }: Groups): Moments {
  const statistic = { shape: outer === 1 ? [groups] : [outer, groups], dtype: 'float32' } as const
  const [mean, variance] = runAll('channelMoments', [x], { outputs: [statistic, statistic], attributes: { outer, groups } })
  return [mean!, variance!]
}

/** x normalised with statistics that are constants, or that were made of x: then dx says so too. */
function normalized(name: string, x: Tensor, statistics: Moments, groups: Groups, ofX: boolean, options: BatchNormOptions): Tensor {
  const { gamma, beta, epsilon = 1e-3, residual = null, activation = 'none' } = checkOptions(name, options, batchNormOptions)
  const channels = x.shape.slice(-1)
  if (activation !== 'none' && activation !== 'relu') {
    throw failure(ArgumentError, name, `expected activation to be one of none, relu, received ${show(activation)}`)
  }
  if (residual !== null) {
    expectTensor(name, 'residual', residual)
    expectSameDType(name, x, residual)
    if (!sameShape(x.shape, residual.shape)) {
      throw failure(ShapeError, name, `expected residual to be ${showShape(x.shape)}, received ${showShape(residual.shape)}`)
    }
  }
  const operands = [x, ...statistics, parameter(name, 'gamma', gamma, channels), parameter(name, 'beta', beta, channels), residual]
  return run('channelNorm', operands, {
    shape: x.shape,
    dtype: x.dtype,
    attributes: { ...groups, epsilon: positive(name, epsilon), relu: activation === 'relu' },
    gradient: fusedGradient(channelGradient(ofX), (node) => composedChannelNorm(node, ofX))
  })
}

interface ChannelNorm extends Attributes, Groups {
  epsilon: number
  relu: boolean
}

function composedChannelNorm({ inputs, attributes }: TapeNode, ofX: boolean): Tensor {
  const [x, ...statistics] = inputs as readonly [Tensor, Tensor, Tensor]
  const [, , , gamma, beta, residual] = inputs
  const { outer, groups, epsilon, relu: rectify } = attributes as ChannelNorm
  const wide = reshape(cast(x, 'float32'), [outer, -1, groups, x.shape.at(-1)! / groups])
  const average = (t: Tensor): Tensor => mean(t, [1, 3], { keepdims: true })
  const given = (t: Tensor): Tensor => reshape(t, [outer, 1, groups, 1])
  const centred = sub(wide, ofX ? average(wide) : given(statistics[0]))
  const spread = ofX ? average(square(centred)) : given(statistics[1])
  let y = reshape(mul(centred, rsqrt(add(spread, epsilon))), x.shape)
  if (gamma) y = mul(y, gamma)
  if (beta) y = add(y, beta)
  if (residual) y = add(y, cast(residual, 'float32'))
  return rectify ? relu(y) : y
}

const channelGradient =
  (ofX: boolean): Gradient =>
  (dy, { inputs, outputs, attributes }) => {
    const [x, mean, variance, gamma, beta, residual] = inputs as readonly [Tensor, Tensor, Tensor, ...(Tensor | null)[]]
    const { outer, groups, epsilon, relu } = attributes as ChannelNorm
    const channels = x.shape.at(-1)!
    const affine = [mean, variance, gamma!, beta!]
    // What relu let pass is found out again of x in either pass, except where a residual takes part in it and needs dz itself.
    const makesDz = relu && residual !== null
    let results: Tensor[] | undefined
    // dz where it is made, Σ dz and Σ dz · xhat by channel.
    const sums = (i: number): Tensor => {
      const byChannel = { shape: [outer, channels], dtype: 'float32' } as const
      results ??= runAll('channelNormSums', [dy, makesDz ? outputs[0]! : null, x, ...affine], {
        outputs: [{ shape: makesDz ? x.shape : [0], dtype: x.dtype }, byChannel, byChannel],
        attributes
      })
      return results[i]!
    }
    const dz = (): Tensor => (makesDz ? sums(0) : dy)
    const total = (i: number): Tensor => (outer === 1 ? view(sums(i), [channels]) : sum(sums(i), 0))
    const scaled = (t: Tensor): Tensor => (gamma === null ? t : mul(t, gamma!))
    // With constant statistics dx does not depend on x, which may be NaN: dz is scaled as x was.
    const scaledAsX = (): Tensor =>
      run('channelNorm', [dz(), zerosLike(mean), variance, gamma!, null, null], {
        shape: x.shape,
        dtype: x.dtype,
        attributes: { outer, groups, epsilon, relu: false }
      })
    return [
      () => {
        if (!ofX && (!relu || makesDz)) return scaledAsX()
        return run('channelNormGrad', [dz(), x, ...affine, ofX ? sums(1) : null, ofX ? sums(2) : null], {
          shape: x.shape,
          dtype: x.dtype,
          attributes: { outer, groups, epsilon, relu: relu && !makesDz }
        })
      },
      ofX ? null : () => neg(mul(scaled(total(1)), rsqrt(add(variance, epsilon)))),
      ofX ? null : () => div(mul(scaled(total(2)), -0.5), add(variance, epsilon)),
      () => total(2),
      () => total(1),
      () => dz()
    ]
  }

/**
 * activation((x - mean) / √(variance + epsilon) · gamma + beta + residual) by channel, the last axis of x (…, C), with given float32
 * statistics (C): batch norm as it predicts. Ioffe and Szegedy, 2015.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function batchNorm(x: Tensor, mean: Tensor, variance: Tensor, options: BatchNormOptions = {}): Tensor {
  expectFloats('batchNorm', x, 2)
  const channels = x.shape.slice(-1)
  expectTensor('batchNorm', 'mean', mean)
  expectTensor('batchNorm', 'variance', variance)
  parameter('batchNorm', 'mean', mean, channels)
  parameter('batchNorm', 'variance', variance, channels)
  return normalized('batchNorm', x, [mean, variance], { outer: 1, groups: channels[0]! }, false, options)
}

/**
 * Batch norm as it trains: as {@link batchNorm}, with the mean and the population variance of each channel of x itself. Gives the result
 * and both statistics, float32 (C), through which no gradient flows. A channel of one value has variance 0 and becomes beta.
 * @throws ShapeError if x holds no values for its channels; DTypeError, ArgumentError
 */
export function batchNormTraining(x: Tensor, options: BatchNormOptions = {}): [y: Tensor, mean: Tensor, variance: Tensor] {
  expectFloats('batchNormTraining', x, 2)
  expectBatch(x)
  const statistics = moments(x, { outer: 1, groups: x.shape.at(-1)! })
  return [normalizedBatch(x, statistics, options), ...statistics]
}

function expectBatch(x: Tensor): void {
  if (x.size === 0) throw failure(ShapeError, 'batchNormTraining', `expected a batch that is not empty, received ${showShape(x.shape)}`)
}

/** The result of {@link batchNormTraining} from x and its moments. */
export function normalizedBatch(x: Tensor, statistics: Moments, options: BatchNormOptions): Tensor {
  expectBatch(x)
  return normalized('batchNormTraining', x, statistics, { outer: 1, groups: x.shape.at(-1)! }, true, options)
}

/**
 * Each of `groups` groups of neighbouring channels of each sample of x (N, …, C) with mean 0 and variance 1, times gamma (C) plus beta (C).
 * Wu and He, 2018.
 * @throws ArgumentError if `groups` does not divide the channels; ShapeError, DTypeError
 */
export function groupNorm(x: Tensor, groups: number, options: AffineOptions = {}): Tensor {
  expectFloats('groupNorm', x, 2)
  const channels = x.shape.at(-1)!
  if (channels === 0) throw failure(ShapeError, 'groupNorm', `expected x of at least one channel, received ${showShape(x.shape)}`)
  const fits = Number.isSafeInteger(groups) && groups > 0 && (Number.isNaN(channels) || channels % groups === 0)
  if (!fits)
    throw failure(ArgumentError, 'groupNorm', `expected a number of groups that divides ${channels} channels, received ${show(groups)}`)
  const { gamma, beta, epsilon } = checkOptions('groupNorm', options, affineOptions)
  const shape = { outer: x.shape[0]!, groups }
  const statistics = moments(x, shape)
  const y = normalized('groupNorm', x, statistics, shape, true, { gamma, beta, epsilon })
  for (const statistic of statistics) statistic.dispose()
  return y
}

// ---- By row

/** By their numbers in native/tensor.h. */
const kinds = { layerNorm: 0, rmsNorm: 1, unitNorm: 2 } as const

function overAxes(
  name: keyof typeof kinds,
  x: Tensor,
  axis: number | readonly number[],
  gamma: Tensor | null | undefined,
  beta: Tensor | null | undefined,
  epsilon: number
): Tensor {
  expectFloats(name, x, 1)
  const axes = checkAxes(name, axis, x.rank)
  if (axes.length === 0) throw failure(ArgumentError, name, `expected at least one axis, received ${show(axis)}`)
  const others = x.shape.map((_, i) => i).filter((i) => !axes.includes(i))
  const sizes = axes.map((a) => x.shape[a]!)
  const operands = [parameter(name, 'gamma', gamma, sizes), parameter(name, 'beta', beta, sizes)] as const
  // What is normalised together comes last, as one axis.
  const order = [...others, ...axes]
  const inPlace = order.every((a, i) => a === i)
  const moved = inPlace ? x : transpose(x, order)
  const row = sizeOf(sizes)
  const rows = view(moved, [...others.map((a) => x.shape[a]!), row])
  const y = rowNorm(name, rows, operands[0] && view(operands[0], [row]), operands[1] && view(operands[1], [row]), positive(name, epsilon))
  const back = view(y, moved.shape)
  const result = inPlace
    ? back
    : transpose(
        back,
        order.map((_, i) => order.indexOf(i))
      )
  return result
}

function rowNorm(name: keyof typeof kinds, x: Tensor, gamma: Tensor | null, beta: Tensor | null, epsilon: number): Tensor {
  const statistic = { shape: x.shape.slice(0, -1), dtype: 'float32' } as const
  const [y, ...statistics] = runAll('rowNorm', [x, gamma, beta], {
    outputs: [{ shape: x.shape, dtype: x.dtype }, statistic, statistic],
    attributes: { kind: kinds[name], epsilon },
    gradient: fusedGradient(rowGradient, composedRowNorm)
  })
  for (const t of statistics) t.dispose()
  return y!
}

function composedRowNorm({ inputs, attributes }: TapeNode): Tensor {
  const [x, gamma, beta] = inputs
  const { kind, epsilon } = attributes as { kind: number; epsilon: number }
  const wide = cast(x!, 'float32')
  const average = (t: Tensor): Tensor => mean(t, -1, { keepdims: true })
  const centred = kind === kinds.layerNorm ? sub(wide, average(wide)) : wide
  const squares = square(centred)
  const spread = kind === kinds.unitNorm ? maximum(sum(squares, -1, { keepdims: true }), epsilon ** 2) : add(average(squares), epsilon)
  let y = mul(centred, rsqrt(spread))
  if (gamma) y = mul(y, gamma)
  if (beta) y = add(y, beta)
  return y
}

const rowGradient: Gradient = (dy, { inputs, outputs, attributes }) => {
  const [x, gamma, beta] = inputs as readonly [Tensor, Tensor | null, Tensor | null]
  const row = x.shape.slice(-1)
  const [dx, dgamma, dbeta] = runAll('rowNormGrad', [dy, x, outputs[1]!, outputs[2]!, gamma], {
    outputs: [
      { shape: x.shape, dtype: x.dtype },
      { shape: gamma === null ? [0] : row, dtype: 'float32' },
      { shape: beta === null ? [0] : row, dtype: 'float32' }
    ],
    attributes
  }) as [Tensor, Tensor, Tensor]
  return [() => dx, () => dgamma, () => dbeta]
}

/**
 * (x - mean) / √(variance + epsilon) · gamma + beta, with mean and population variance over `axis`; gamma and beta have the sizes of
 * those axes. Ba et al., 2016.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function layerNorm(x: Tensor, axis: number | readonly number[] = -1, options: AffineOptions = {}): Tensor {
  const { gamma, beta, epsilon = 1e-3 } = checkOptions('layerNorm', options, affineOptions)
  return overAxes('layerNorm', x, axis, gamma, beta, epsilon)
}

/** x / √(mean(x²) + epsilon) · gamma, with the mean over `axis`. Zhang and Sennrich, 2019. Errors as {@link layerNorm}. */
export function rmsNorm(x: Tensor, axis: number | readonly number[] = -1, options: Pick<AffineOptions, 'gamma' | 'epsilon'> = {}): Tensor {
  const { gamma, epsilon = 1e-6 } = checkOptions('rmsNorm', options, { gamma: 'optional', epsilon: 'optional' })
  return overAxes('rmsNorm', x, axis, gamma, null, epsilon)
}

/** x / max(‖x‖, epsilon), with the L2 norm over `axis`. Errors as {@link layerNorm}. */
export function unitNorm(x: Tensor, axis: number | readonly number[] = -1, options: Pick<AffineOptions, 'epsilon'> = {}): Tensor {
  const { epsilon = 1e-12 } = checkOptions('unitNorm', options, { epsilon: 'optional' })
  return overAxes('unitNorm', x, axis, null, null, epsilon)
}
