// Convolution over one to three spatial axes, channels last, with bias and activation in its epilogue; and its transposition.
import { checkOptions, type NamesOf } from '../arguments'
import { precisionOn } from '../config'
import { ArgumentError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor, type Plan, run, runAll } from '../op'
import { sameDim, sameShape } from '../shape'
import type { AddingThunk, Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { beforeActivation, type FusedActivation, fusedCode } from './fused'
import { expectDType, expectSameDType, floats, unbroadcast } from './rules'
import { effectiveSize, type Padding, perAxis, resolveWindow, type Sizes, spatialSizes } from './windows'

export interface ConvOptions {
  /** One number for all spatial axes, or one each. Default 1. */
  strides?: Sizes | undefined
  /** Default `valid`. */
  padding?: Padding | undefined
  /** Distance between neighbouring elements of the kernel. Default 1. */
  dilationRate?: Sizes | undefined
  /** Parts that channels and features are cut into; each part of the features sees its part of the channels. Default 1. */
  groups?: number | undefined
  /** [F], added to each pixel. */
  bias?: Tensor | null | undefined
  /** [B, O..., F], added to the result. */
  residual?: Tensor | null | undefined
  /** Applied after bias and residual. Default `none`. */
  activation?: FusedActivation | undefined
}

const convOptions: NamesOf<ConvOptions> = {
  strides: 'optional',
  padding: 'optional',
  dilationRate: 'optional',
  groups: 'optional',
  bias: 'optional',
  residual: 'optional',
  activation: 'optional'
}

export interface ConvTransposeOptions {
  /** One number for all spatial axes, or one each. Default 1. */
  strides?: Sizes | undefined
  /** Default `valid`. */
  padding?: 'valid' | 'same' | undefined
  /** Added to the size of the output on each axis, less than the stride. Default: the size that `padding` gives. */
  outputPadding?: Sizes | null | undefined
  /** Distance between neighbouring elements of the kernel. Default 1. */
  dilationRate?: Sizes | undefined
  /** [F], added to each pixel. */
  bias?: Tensor | null | undefined
  /** Applied after the bias. Default `none`. */
  activation?: FusedActivation | undefined
}

const convTransposeOptions: NamesOf<ConvTransposeOptions> = {
  strides: 'optional',
  padding: 'optional',
  outputPadding: 'optional',
  dilationRate: 'optional',
  bias: 'optional',
  activation: 'optional'
}

/** Attributes that conv and its two gradients share: one number per spatial axis. */
export interface Geometry {
  strides: readonly number[]
  dilation: readonly number[]
  before: readonly number[]
  groups: number
}

export interface ConvPlan {
  geometry: Geometry
  /** Of the result. */
  shape: readonly number[]
  /** By its number in native/tensor.h. */
  activation: number
}

/**
 * Convolution (cross-correlation, as Keras and PyTorch call it) of x [B, S..., C] with w [K..., C / groups, F]: [B, O..., F], where
 * y[b, o, f] = activation(bias[f] + residual[b, o, f] + sum over k, c of x[b, o * stride + k * dilation - before, c] * w[k, c, f]). Outside of x
 * are zeros.
 * Sums are float32; `setPrecision` says what float32 products are computed with.
 * @throws ShapeError if the kernel has another number of channels or does not fit into the padded input; DTypeError; ArgumentError
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const { bias = null, residual = null } = checkOptions('conv', options, convOptions)
  const { geometry, shape, activation } = planConv(x, w, options)
  checkResidual(residual, x, shape)
  return forward(x, w, bias, geometry, shape, { activation, residual })
}

/**
 * {@link conv}, or {@link depthwiseConv} where `byChannel`, without a residual, and the mean and the population variance of each feature of its
 * result, float32 [F], through which no gradient flows.
 */
export function convMoments(
  x: Tensor,
  w: Tensor,
  options: Omit<ConvOptions, 'residual'> & { byChannel?: boolean }
): [y: Tensor, mean: Tensor, variance: Tensor] {
  const plan = planConv(x, w, options)
  const { shape, dtype, attributes } = convCall(x, plan)
  const statistic = { shape: shape.slice(-1), dtype: 'float32' } as const
  const outputs = [{ shape, dtype }, statistic, statistic]
  return runAll('conv', [x, w, options.bias ?? null, null], { outputs, attributes, gradient: convGradient }) as [Tensor, Tensor, Tensor]
}

/** {@link conv} of each channel of x [B, S..., C] by itself, with w [K..., C, multiplier]: [B, O..., C · multiplier]; without a residual. */
export function depthwiseConv(x: Tensor, w: Tensor, options: Omit<ConvOptions, 'residual'>): Tensor {
  const { geometry, shape, activation } = planConv(x, w, { ...options, byChannel: true })
  return forward(x, w, options.bias ?? null, geometry, shape, { activation })
}

/** What a convolution with these options is; checks all operands but a residual. `byChannel`: each channel is a group, and w is [K..., C, F / C]. */
export function planConv(x: Tensor, w: Tensor, options: ConvOptions & { byChannel?: boolean }): ConvPlan {
  const { padding = 'valid', byChannel = false, bias = null, activation = 'none' } = options
  const axes = checkOperands('conv', x, w)
  const [strides, dilation] = [
    perAxis('conv', 'strides', options.strides ?? 1, axes),
    perAxis('conv', 'dilationRate', options.dilationRate ?? 1, axes)
  ]
  const channels = x.shape[axes + 1]!
  const groups = byChannel ? channels : (options.groups ?? 1)
  const features = byChannel ? channels * w.shape[axes + 1]! : w.shape[axes + 1]!
  if (!byChannel && (!Number.isSafeInteger(groups) || groups < 1))
    throw failure(ArgumentError, 'conv', `expected groups to be an integer of at least 1, received ${show(groups)}`)
  const expected = byChannel ? channels : channels / groups
  if ((Number.isFinite(channels) && !Number.isInteger(expected)) || features % groups !== 0) {
    throw failure(ShapeError, 'conv', `expected groups to divide ${channels} channels and ${features} features, received ${groups}`)
  }
  if (!sameDim(w.shape[axes]!, expected)) {
    const wanted = `[${['kD', 'kH', 'kW'].slice(-axes).join(', ')}, ${expected}, F]`
    throw failure(ShapeError, 'conv', `expected w to be ${wanted}, received ${showShape(w.shape)}`)
  }
  const window = resolveWindow('conv', x.shape.slice(1, -1), w.shape.slice(0, axes), strides, dilation, padding)
  const shape = [x.shape[0]!, ...window.sizes, features]
  checkBias('conv', bias, x, features)
  return { geometry: { strides, dilation, before: window.before, groups }, shape, activation: fusedCode('conv', activation) }
}

/**
 * Transposed convolution of x [B, S..., C] with w [K..., F, C]: [B, O..., F], the gradient of the convolution that has w as its kernel with respect to
 * its input. On each axis O is, with e = (K - 1) * dilation + 1: `valid` (S - 1) * stride + max(e, stride), `same` S * stride; with
 * `outputPadding` p: (S - 1) * stride + e + p, and `same` (S - 1) * stride + (e mod 2) + p (Keras' rules).
 * @throws ShapeError if w has another number of channels, or x no elements on a spatial axis; DTypeError; ArgumentError
 */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const op = 'convTranspose'
  const { padding = 'valid', outputPadding = null, bias = null, activation = 'none' } = checkOptions(op, options, convTransposeOptions)
  const axes = checkOperands(op, x, w)
  const [strides, dilation] = [
    perAxis(op, 'strides', options.strides ?? 1, axes),
    perAxis(op, 'dilationRate', options.dilationRate ?? 1, axes)
  ]
  if (padding !== 'valid' && padding !== 'same')
    throw failure(ArgumentError, op, `expected padding to be valid or same, received ${show(padding)}`)
  if (!sameDim(w.shape[axes + 1]!, x.shape[axes + 1]!)) {
    const wanted = `[${['kD', 'kH', 'kW'].slice(-axes).join(', ')}, F, ${x.shape[axes + 1]}]`
    throw failure(ShapeError, op, `expected w to be ${wanted}, received ${showShape(w.shape)}`)
  }
  const extra = outputPadding === null ? null : perAxis(op, 'outputPadding', outputPadding, axes, 0)
  const sizes: number[] = []
  const before: number[] = []
  for (let i = 0; i < axes; i++) {
    const [size, stride] = [x.shape[i + 1]!, strides[i]!]
    const kernel = effectiveSize(w.shape[i]!, dilation[i]!)
    if (extra !== null && extra[i]! >= stride)
      throw failure(ArgumentError, op, `expected outputPadding to be less than the stride ${stride}, received ${show(outputPadding)}`)
    // Zeros around the input that Keras spreads with stride - 1 zeros between its elements; `left` of them are in front.
    const total =
      padding === 'valid'
        ? 2 * (kernel - 1) + (extra === null ? Math.max(0, stride - kernel) : extra[i]!)
        : extra === null
          ? stride + kernel - 2
          : kernel + (kernel % 2) - 2 + extra[i]!
    const left = padding === 'valid' ? kernel - 1 : Math.min(Math.ceil(total / 2), kernel - 1)
    sizes.push((size - 1) * stride + 2 + total - kernel)
    before.push(kernel - 1 - left)
  }
  const features = w.shape[axes]!
  checkBias(op, bias, x, features)
  return dataGrad(x, w, bias, { strides, dilation, before, groups: 1 }, [x.shape[0]!, ...sizes, features], {
    activation: fusedCode(op, activation)
  })
}

/** Checks what both have in common and returns the number of spatial axes. */
function checkOperands(op: string, x: Tensor, w: Tensor): number {
  const axes = spatialSizes(op, x).length
  expectTensor(op, 'w', w)
  expectSameDType(op, x, w)
  expectDType(op, 'x', x, floats)
  if (w.rank !== x.rank) throw failure(ShapeError, op, `expected w to be of rank ${x.rank} as x is, received ${showShape(w.shape)}`)
  if (w.shape.slice(0, -2).includes(0))
    throw failure(ShapeError, op, `expected w to be a kernel of at least one element on each axis, received ${showShape(w.shape)}`)
  if (x.shape.slice(1, -1).includes(0))
    throw failure(ShapeError, op, `expected x to have at least one element on each spatial axis, received ${showShape(x.shape)}`)
  return axes
}

function checkResidual(residual: Tensor | null, x: Tensor, shape: readonly number[]): void {
  if (residual === null) return
  expectTensor('conv', 'residual', residual)
  expectDType('conv', 'residual', residual, [x.dtype])
  if (!sameShape(residual.shape, shape))
    throw failure(ShapeError, 'conv', `expected residual to be ${showShape(shape)}, received ${showShape(residual.shape)}`)
}

function checkBias(op: string, bias: Tensor | null, x: Tensor, features: number): void {
  if (bias === null) return
  expectTensor(op, 'bias', bias)
  expectDType(op, 'bias', bias, [x.dtype])
  if (bias.rank !== 1 || !sameDim(bias.shape[0]!, features))
    throw failure(ShapeError, op, `expected bias to be [${features}], received ${showShape(bias.shape)}`)
}

// The three products below are each other's gradients, so they can be differentiated any number of times.

function forward(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  geometry: Geometry,
  shape: readonly number[],
  { activation = 0, residual = null }: { activation?: number; residual?: Tensor | null } = {}
): Tensor {
  return run('conv', [x, w, bias, residual], { ...convCall(x, { geometry, shape, activation }), gradient: convGradient })
}

/** Attributes of the native op where no maxima are taken. */
const notPooled = { window: [], poolStrides: [], poolBefore: [] }

/** The call of the native op, without its gradient. */
export function convCall(x: Tensor, { geometry, shape, activation }: ConvPlan): Plan {
  return { shape, dtype: x.dtype, attributes: { ...geometry, activation, precision: precisionOn(x.deviceIndex), ...notPooled } }
}

function dataGrad(
  dy: Tensor,
  w: Tensor,
  bias: Tensor | null,
  geometry: Geometry,
  shape: readonly number[],
  { activation = 0, addend = null }: { activation?: number; addend?: Tensor | null } = {}
): Tensor {
  return run('convDataGrad', [dy, w, bias, addend], {
    shape,
    dtype: dy.dtype,
    attributes: { ...geometry, activation, precision: precisionOn(dy.deviceIndex) },
    gradient: dataGradGradient
  })
}

/** The gradient with respect to x, of dy as `dz` gives it. */
export function dataGradThunk(dz: () => Tensor, w: Tensor, geometry: Geometry, shape: readonly number[]): AddingThunk {
  return { addTo: (before) => dataGrad(dz(), w, null, geometry, shape, { addend: before }) }
}

export function filterGrad(x: Tensor, dy: Tensor, geometry: Geometry, shape: readonly number[]): Tensor {
  return run('convFilterGrad', [x, dy], {
    shape,
    dtype: x.dtype,
    attributes: { ...geometry, precision: precisionOn(x.deviceIndex) },
    gradient: filterGradGradient
  })
}

function geometryOf({ strides, dilation, before, groups }: Parameters<Gradient>[1]['attributes']): Geometry {
  return { strides, dilation, before, groups } as Geometry
}

const convGradient: Gradient = (dy, { inputs, outputs, attributes }) => {
  const [x, w, bias] = inputs as readonly [Tensor, Tensor, Tensor | null]
  const geometry = geometryOf(attributes)
  const { dz, db } = beforeActivation(dy, outputs[0]!, attributes.activation as number)
  return [
    dataGradThunk(() => dz, w, geometry, x.shape),
    () => filterGrad(x, dz, geometry, w.shape),
    () => db ?? unbroadcast(dz, bias!.shape),
    () => dz
  ]
}

const dataGradGradient: Gradient = (ddx, { inputs, outputs, attributes }) => {
  const [dy, w, bias] = inputs as readonly [Tensor, Tensor, Tensor | null]
  const geometry = geometryOf(attributes)
  const { dz, db } = beforeActivation(ddx, outputs[0]!, attributes.activation as number)
  return [
    () => forward(dz, w, null, geometry, dy.shape),
    () => filterGrad(dz, dy, geometry, w.shape),
    () => db ?? unbroadcast(dz, bias!.shape),
    () => dz
  ]
}

const filterGradGradient: Gradient = (ddw, { inputs, attributes }) => {
  const [x, dy] = inputs as readonly [Tensor, Tensor]
  const geometry = geometryOf(attributes)
  return [dataGradThunk(() => dy, ddw, geometry, x.shape), () => forward(x, ddw, null, geometry, dy.shape)]
}
