// activations.*: the functions that layers apply to their output, by name. Formulas and defaults as in Keras 3.
import { checkOptions, type NamesOf } from './arguments'
import { ArgumentError, show } from './errors'
import * as ops from './ops'
import type { FusedActivation } from './ops/fused'
import { deserializeFunction, type SerializedFunction, serializeFunction, unknownName } from './serialization'
import type { Tensor } from './tensor'

/** An activation of the user's own. */
export type ActivationFunction = (x: Tensor) => Tensor

/** x. */
export const linear = (x: Tensor): Tensor => x

export interface ReluOptions {
  /** Slope below the threshold. Default 0. */
  negativeSlope?: number | undefined
  /** The largest output; unlimited by default. */
  maxValue?: number | undefined
  /** Where the line with slope 1 begins. Default 0. */
  threshold?: number | undefined
}

const reluOptions: NamesOf<ReluOptions> = { negativeSlope: 'optional', maxValue: 'optional', threshold: 'optional' }

/** Options of activations along an axis. */
export interface AxisOptions {
  /** Default -1, the last. */
  axis?: number | undefined
}

function axisOf(name: string, options: AxisOptions = {}): number {
  return checkOptions(name, options, { axis: 'optional' }).axis ?? -1
}

/** x where x > threshold, else negativeSlope · (x − threshold); at most maxValue. */
export function relu(x: Tensor, options: ReluOptions = {}): Tensor {
  const { negativeSlope = 0, maxValue, threshold = 0 } = checkOptions('relu', options, reluOptions)
  const line = threshold === 0 ? shapedRelu(x, negativeSlope) : shifted(x, negativeSlope, threshold)
  return maxValue === undefined ? line : ops.minimum(line, maxValue)
}

function shapedRelu(x: Tensor, negativeSlope: number): Tensor {
  return negativeSlope === 0 ? ops.relu(x) : ops.leakyRelu(x, { negativeSlope })
}

function shifted(x: Tensor, negativeSlope: number, threshold: number): Tensor {
  return ops.where(ops.greater(x, threshold), x, ops.mul(ops.sub(x, threshold), negativeSlope))
}

/** min(max(x, 0), 6). */
export const relu6 = (x: Tensor): Tensor => ops.relu6(x)
/** x where x ≥ 0, else negativeSlope · x; the slope is 0.2 here and 0.3 in `layers.leakyRelu`, as in Keras. */
export const leakyRelu = (x: Tensor, options?: { negativeSlope?: number | undefined }): Tensor => ops.leakyRelu(x, options)
/** x where x > 0, else α (exp(x) − 1). Clevert, Unterthiner, Hochreiter, 2015. */
export const elu = (x: Tensor, options?: { alpha?: number | undefined }): Tensor => ops.elu(x, options)
/** 1.0507 · elu(x) with α = 1.67326. Klambauer et al., Self-Normalizing Neural Networks, 2017. */
export const selu = (x: Tensor): Tensor => ops.selu(x)
/** max(x, 0) + min(α (exp(x / α) − 1), 0). Barron, 2017. */
export function celu(x: Tensor, options: { alpha?: number | undefined } = {}): Tensor {
  const { alpha = 1 } = checkOptions('celu', options, { alpha: 'optional' })
  return ops.add(ops.relu(x), ops.mul(ops.expm1(ops.div(ops.minimum(x, 0), alpha)), alpha))
}
/** x Φ(x), Φ the normal distribution function by erf; by tanh if approximate. Hendrycks, Gimpel, 2016. */
export const gelu = (x: Tensor, options?: { approximate?: boolean | undefined }): Tensor => ops.gelu(x, options)
/** x · sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => ops.silu(x)
/** x · hardSigmoid(x). */
export const hardSilu = (x: Tensor): Tensor => ops.mul(x, ops.hardSigmoid(x))
/** x · tanh(softplus(x)). Misra, 2019. */
export const mish = (x: Tensor): Tensor => ops.mul(x, ops.tanh(ops.softplus(x)))
/** 1 / (1 + exp(−x)). */
export const sigmoid = (x: Tensor): Tensor => ops.sigmoid(x)
/** min(max(x / 6 + ½, 0), 1). */
export const hardSigmoid = (x: Tensor): Tensor => ops.hardSigmoid(x)
/** log(sigmoid(x)). */
export const logSigmoid = (x: Tensor): Tensor => ops.logSigmoid(x)
/** 0 for x ≤ −1, 1 for x ≥ 1, ½ (x + 1) between. */
export const sparseSigmoid = (x: Tensor): Tensor => ops.clip(ops.mul(ops.add(x, 1), 0.5), 0, 1)
/** tanh(x). */
export const tanh = (x: Tensor): Tensor => ops.tanh(x)
/** min(max(x, −1), 1). */
export const hardTanh = (x: Tensor): Tensor => ops.clip(x, -1, 1)
/** x − tanh(x). */
export const tanhShrink = (x: Tensor): Tensor => ops.sub(x, ops.tanh(x))
/** x beyond ±threshold, else 0. */
export function hardShrink(x: Tensor, options: { threshold?: number | undefined } = {}): Tensor {
  const { threshold = 0.5 } = checkOptions('hardShrink', options, { threshold: 'optional' })
  return ops.where(ops.greater(ops.abs(x), threshold), x, 0)
}
/** x ∓ threshold beyond ±threshold, else 0. */
export function softShrink(x: Tensor, options: { threshold?: number | undefined } = {}): Tensor {
  const { threshold = 0.5 } = checkOptions('softShrink', options, { threshold: 'optional' })
  return ops.sub(x, ops.clip(x, -threshold, threshold))
}
/** log(1 + exp(x)). */
export const softplus = (x: Tensor): Tensor => ops.softplus(x)
/** x / (1 + |x|). */
export const softsign = (x: Tensor): Tensor => ops.softsign(x)
/** ½ (x + √(x² + b)). Barron, 2021. */
export function squareplus(x: Tensor, options: { b?: number | undefined } = {}): Tensor {
  const { b = 4 } = checkOptions('squareplus', options, { b: 'optional' })
  return ops.mul(ops.add(x, ops.sqrt(ops.add(ops.square(x), b))), 0.5)
}
/** 0 for x ≤ −1, x for x ≥ 1, ¼ (x + 1)² between. */
export function sparsePlus(x: Tensor): Tensor {
  const between = ops.mul(ops.square(ops.clip(ops.add(x, 1), 0, 2)), 0.25)
  return ops.where(ops.greaterEqual(x, 1), x, between)
}
/** exp(x). */
export const exponential = (x: Tensor): Tensor => ops.exp(x)
/** exp(x) / Σ exp(x) along `axis`. */
export const softmax = (x: Tensor, options?: AxisOptions): Tensor => ops.softmax(x, axisOf('softmax', options))
/** x − log Σ exp(x) along `axis`. */
export const logSoftmax = (x: Tensor, options?: AxisOptions): Tensor => ops.logSoftmax(x, axisOf('logSoftmax', options))
/** The first half along `axis` times the sigmoid of the second. Dauphin et al., 2016. */
export function glu(x: Tensor, options?: AxisOptions): Tensor {
  const [a, gate] = ops.split(x, 2, axisOf('glu', options))
  return ops.mul(a!, ops.sigmoid(gate!))
}

const functions = {
  linear,
  relu,
  relu6,
  leakyRelu,
  elu,
  selu,
  celu,
  gelu,
  silu,
  hardSilu,
  mish,
  sigmoid,
  hardSigmoid,
  logSigmoid,
  sparseSigmoid,
  tanh,
  hardTanh,
  tanhShrink,
  hardShrink,
  softShrink,
  softplus,
  softsign,
  squareplus,
  sparsePlus,
  exponential,
  softmax,
  logSoftmax,
  glu,
  swish: silu,
  hardSwish: hardSilu
}

/** The names that an activation can be asked for by. */
export type ActivationName = keyof typeof functions
/** What stands for an activation. */
export type ActivationSpec = ActivationName | ActivationFunction | SerializedFunction

/** An activation with the name that layers know it by; the name is undefined for a function of the user's own. */
export interface Activation {
  name: ActivationName | undefined
  fn: ActivationFunction
}

/** Gives the activation that `spec` stands for, `linear` for undefined and null. @throws ArgumentError for an unknown name, with the nearest */
export function get(spec: ActivationSpec | null | undefined): Activation {
  if (spec === undefined || spec === null) return { name: 'linear', fn: linear }
  if (typeof spec === 'string') {
    if (!Object.hasOwn(functions, spec)) throw unknownName('activation', spec, Object.keys(functions))
    return { name: spec, fn: (x) => functions[spec](x) }
  }
  const own = typeof spec === 'function' ? spec : (deserializeFunction('activation', spec) as ActivationFunction | undefined)
  if (!own) throw new ArgumentError(`expected an activation (a name or a function), received ${show(spec)}`)
  const known = Object.entries(functions).find(([, fn]) => fn === own)
  return { name: known?.[0] as ActivationName | undefined, fn: own }
}

/** What a file holds for an activation; {@link get} makes it again. */
export function serialize({ name, fn }: Activation): ActivationName | SerializedFunction {
  return name ?? serializeFunction('activation', fn)
}

const fused: Partial<Record<string, FusedActivation>> = { linear: 'none', relu: 'relu', sigmoid: 'sigmoid', tanh: 'tanh' }

/** The activation as matrix products and convolutions apply it in their kernels; undefined if they do not know it. */
export function fusedActivation({ name }: Activation): FusedActivation | undefined {
  return name === undefined ? undefined : fused[name]
}
