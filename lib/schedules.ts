// schedules.*: learning rates that change from step to step.
import { booleanOption, type NamesOf, numberOption, optionalNumber } from './arguments'
import { ArgumentError, failure, show } from './errors'
import * as ops from './ops'
import { type Config, classOptions, fixOptions, Registry, type Serialized, type SerializedFunction } from './serialization'
import type { Tensor } from './tensor'

/**
 * A learning rate that changes: a function of the step (a float32 scalar, the number of updates so far), built from ops, so that it
 * runs inside a captured step.
 */
export type LearningRateSchedule = (step: Tensor) => Tensor

/** A learning rate that changes and is saved with its options. One's own extends this class, or is a {@link LearningRateSchedule}. */
export abstract class Schedule {
  /** The rate of the update after `step` others (a float32 scalar): a scalar, computed with ops. */
  abstract rate(step: Tensor): Tensor

  getConfig(): Config {
    return {}
  }
}

export interface CosineDecayOptions {
  initialLearningRate: number
  /** Over how many steps the rate falls. */
  decaySteps: number
  /** What is left at the end, as a share of the rate that it falls from. Default 0. */
  alpha?: number | undefined
  /** The rate to which it first rises, in a straight line; the fall begins there. Default: no rise. */
  warmupTarget?: number | null | undefined
  /** Over how many steps it rises. Default 0. */
  warmupSteps?: number | undefined
}

const cosineDecayOptions: NamesOf<CosineDecayOptions> = {
  initialLearningRate: 'required',
  decaySteps: 'required',
  alpha: 'optional',
  warmupTarget: 'optional',
  warmupSteps: 'optional'
}

/** rate · ((1 − alpha) · ½(1 + cos(π · step / decaySteps)) + alpha), the last value from decaySteps on. Loshchilov and Hutter, 2016. */
export class CosineDecay extends Schedule {
  readonly initialLearningRate: number
  readonly decaySteps: number
  readonly alpha: number
  readonly warmupTarget: number | undefined
  readonly warmupSteps: number

  /** @throws ArgumentError for options out of their range */
  constructor(options: CosineDecayOptions) {
    super()
    const {
      initialLearningRate,
      decaySteps,
      alpha = 0,
      warmupTarget,
      warmupSteps = 0
    } = classOptions('cosineDecay', new.target, options, cosineDecayOptions)
    this.initialLearningRate = numberOption('cosineDecay', 'initialLearningRate', initialLearningRate, { min: 0 })
    this.decaySteps = numberOption('cosineDecay', 'decaySteps', decaySteps, { above: 0 })
    this.alpha = numberOption('cosineDecay', 'alpha', alpha)
    this.warmupTarget = optionalNumber('cosineDecay', 'warmupTarget', warmupTarget, { min: 0 })
    this.warmupSteps = numberOption('cosineDecay', 'warmupSteps', warmupSteps, { integer: true, min: 0 })
  }

  override rate(step: Tensor): Tensor {
    const { initialLearningRate, warmupTarget, warmupSteps } = this
    if (warmupTarget === undefined) return this.decayed(step, initialLearningRate)
    const fall = this.decayed(ops.sub(step, warmupSteps), warmupTarget)
    if (warmupSteps === 0) return fall
    const rise = ops.add(ops.mul(step, (warmupTarget - initialLearningRate) / warmupSteps), initialLearningRate)
    return ops.where(ops.less(step, warmupSteps), rise, fall)
  }

  private decayed(step: Tensor, from: number): Tensor {
    const angle = ops.mul(ops.minimum(step, this.decaySteps), Math.PI / this.decaySteps)
    const half = (from * (1 - this.alpha)) / 2
    return ops.add(ops.mul(ops.cos(angle), half), half + from * this.alpha)
  }

  override getConfig(): Config {
    const { initialLearningRate, decaySteps, alpha, warmupTarget = null, warmupSteps } = this
    return { initialLearningRate, decaySteps, alpha, warmupTarget, warmupSteps }
  }
}

export interface CosineDecayRestartsOptions {
  initialLearningRate: number
  /** Over how many steps the rate falls the first time. */
  firstDecaySteps: number
  /** How many times as long each fall is as the one before, at least 1. Default 2. */
  tMul?: number | undefined
  /** How many times as high each fall begins as the one before. Default 1. */
  mMul?: number | undefined
  /** What is left at the end of a fall, as a share of `initialLearningRate`. Default 0. */
  alpha?: number | undefined
}

const cosineDecayRestartsOptions: NamesOf<CosineDecayRestartsOptions> = {
  initialLearningRate: 'required',
  firstDecaySteps: 'required',
  tMul: 'optional',
  mMul: 'optional',
  alpha: 'optional'
}

/**
 * Falls along a cosine as {@link CosineDecay}, again and again: rate · ((1 − alpha) · mMul^i · ½(1 + cos(π · f)) + alpha), where i falls
 * are over and f is the share of this one that has passed. Loshchilov and Hutter, SGDR, 2016.
 */
export class CosineDecayRestarts extends Schedule {
  readonly initialLearningRate: number
  readonly firstDecaySteps: number
  readonly tMul: number
  readonly mMul: number
  readonly alpha: number

  /** @throws ArgumentError for options out of their range */
  constructor(options: CosineDecayRestartsOptions) {
    super()
    const owner = 'cosineDecayRestarts'
    const {
      initialLearningRate,
      firstDecaySteps,
      tMul = 2,
      mMul = 1,
      alpha = 0
    } = classOptions(owner, new.target, options, cosineDecayRestartsOptions)
    this.initialLearningRate = numberOption(owner, 'initialLearningRate', initialLearningRate, { min: 0 })
    this.firstDecaySteps = numberOption(owner, 'firstDecaySteps', firstDecaySteps, { above: 0 })
    this.tMul = numberOption(owner, 'tMul', tMul, { min: 1 })
    this.mMul = numberOption(owner, 'mMul', mMul, { min: 0 })
    this.alpha = numberOption(owner, 'alpha', alpha)
  }

  override rate(step: Tensor): Tensor {
    const { initialLearningRate, firstDecaySteps, mMul, alpha } = this
    const [restarts, share] = this.position(ops.div(step, firstDecaySteps))
    const cosine = ops.mul(ops.add(ops.cos(ops.mul(share, Math.PI)), 1), ops.pow(mMul, restarts))
    return ops.add(ops.mul(cosine, (initialLearningRate * (1 - alpha)) / 2), initialLearningRate * alpha)
  }

  /** How many falls are over, and the share of the present one, after so many times `firstDecaySteps`. */
  private position(passed: Tensor): [restarts: Tensor, share: Tensor] {
    const { tMul } = this
    if (tMul === 1) {
      const restarts = ops.floor(passed)
      return [restarts, ops.sub(passed, restarts)]
    }
    // n falls take (tMulⁿ − 1) / (tMul − 1). The logarithm may be one off where a fall ends.
    const end = (n: Tensor): Tensor => ops.div(ops.sub(ops.pow(tMul, n), 1), tMul - 1)
    const guess = ops.floor(ops.div(ops.log(ops.add(ops.mul(passed, tMul - 1), 1)), Math.log(tMul)))
    const isOver = ops.cast(ops.greaterEqual(passed, end(ops.add(guess, 1))), 'float32')
    const isAhead = ops.cast(ops.less(passed, end(guess)), 'float32')
    const restarts = ops.sub(ops.add(guess, isOver), isAhead)
    return [restarts, ops.div(ops.sub(passed, end(restarts)), ops.pow(tMul, restarts))]
  }

  override getConfig(): Config {
    const { initialLearningRate, firstDecaySteps, tMul, mMul, alpha } = this
    return { initialLearningRate, firstDecaySteps, tMul, mMul, alpha }
  }
}

export interface RateDecayOptions {
  initialLearningRate: number
  /** Over how many steps `decayRate` takes effect once. */
  decaySteps: number
  decayRate: number
  /** Whether the rate stays for `decaySteps` steps and falls then. Default false. */
  staircase?: boolean | undefined
}

const rateDecayOptions: NamesOf<RateDecayOptions> = {
  initialLearningRate: 'required',
  decaySteps: 'required',
  decayRate: 'required',
  staircase: 'optional'
}

/** A rate that falls with step / decaySteps. */
abstract class RateDecay extends Schedule {
  readonly initialLearningRate: number
  readonly decaySteps: number
  readonly decayRate: number
  readonly staircase: boolean

  constructor(owner: string, options: RateDecayOptions) {
    super()
    const { initialLearningRate, decaySteps, decayRate, staircase = false } = classOptions(owner, new.target, options, rateDecayOptions)
    this.initialLearningRate = numberOption(owner, 'initialLearningRate', initialLearningRate, { min: 0 })
    this.decaySteps = numberOption(owner, 'decaySteps', decaySteps, { above: 0 })
    this.decayRate = numberOption(owner, 'decayRate', decayRate, { min: 0 })
    this.staircase = booleanOption(owner, 'staircase', staircase)
  }

  protected passed(step: Tensor): Tensor {
    const share = ops.div(step, this.decaySteps)
    return this.staircase ? ops.floor(share) : share
  }

  override getConfig(): Config {
    const { initialLearningRate, decaySteps, decayRate, staircase } = this
    return { initialLearningRate, decaySteps, decayRate, staircase }
  }
}

/** rate · decayRate^(step / decaySteps). */
export class ExponentialDecay extends RateDecay {
  /** @throws ArgumentError for options out of their range */
  constructor(options: RateDecayOptions) {
    super('exponentialDecay', options)
  }

  override rate(step: Tensor): Tensor {
    return ops.mul(ops.pow(this.decayRate, this.passed(step)), this.initialLearningRate)
  }
}

/** rate / (1 + decayRate · step / decaySteps). */
export class InverseTimeDecay extends RateDecay {
  /** @throws ArgumentError for options out of their range */
  constructor(options: RateDecayOptions) {
    super('inverseTimeDecay', options)
  }

  override rate(step: Tensor): Tensor {
    return ops.div(this.initialLearningRate, ops.add(ops.mul(this.passed(step), this.decayRate), 1))
  }
}

export interface PolynomialDecayOptions {
  initialLearningRate: number
  /** Over how many steps the rate falls. */
  decaySteps: number
  /** Default 1e-4. */
  endLearningRate?: number | undefined
  /** Default 1: a straight line. */
  power?: number | undefined
  /** Whether the rate rises again when it has come to its end, and falls over as many steps more each time. Default false. */
  cycle?: boolean | undefined
}

const polynomialDecayOptions: NamesOf<PolynomialDecayOptions> = {
  initialLearningRate: 'required',
  decaySteps: 'required',
  endLearningRate: 'optional',
  power: 'optional',
  cycle: 'optional'
}

/** (rate − end) · (1 − step / decaySteps)^power + end, and the end from decaySteps on. */
export class PolynomialDecay extends Schedule {
  readonly initialLearningRate: number
  readonly decaySteps: number
  readonly endLearningRate: number
  readonly power: number
  readonly cycle: boolean

  /** @throws ArgumentError for options out of their range */
  constructor(options: PolynomialDecayOptions) {
    super()
    const owner = 'polynomialDecay'
    const {
      initialLearningRate,
      decaySteps,
      endLearningRate = 1e-4,
      power = 1,
      cycle = false
    } = classOptions(owner, new.target, options, polynomialDecayOptions)
    this.initialLearningRate = numberOption(owner, 'initialLearningRate', initialLearningRate, { min: 0 })
    this.decaySteps = numberOption(owner, 'decaySteps', decaySteps, { above: 0 })
    this.endLearningRate = numberOption(owner, 'endLearningRate', endLearningRate, { min: 0 })
    this.power = numberOption(owner, 'power', power, { above: 0 })
    this.cycle = booleanOption(owner, 'cycle', cycle)
  }

  override rate(step: Tensor): Tensor {
    const { initialLearningRate, decaySteps, endLearningRate, power, cycle } = this
    const share = ops.div(step, decaySteps)
    const passed = cycle ? ops.div(share, ops.maximum(ops.ceil(share), 1)) : ops.minimum(share, 1)
    return ops.add(ops.mul(ops.pow(ops.sub(1, passed), power), initialLearningRate - endLearningRate), endLearningRate)
  }

  override getConfig(): Config {
    const { initialLearningRate, decaySteps, endLearningRate, power, cycle } = this
    return { initialLearningRate, decaySteps, endLearningRate, power, cycle }
  }
}

export interface PiecewiseConstantDecayOptions {
  /** The last steps of all rates but the last one, growing. */
  boundaries: readonly number[]
  /** The rates, one more than boundaries. */
  values: readonly number[]
}

const piecewiseConstantDecayOptions: NamesOf<PiecewiseConstantDecayOptions> = { boundaries: 'required', values: 'required' }

/** values[i] up to the step boundaries[i], itself included; the last value from then on. */
export class PiecewiseConstantDecay extends Schedule {
  readonly boundaries: readonly number[]
  readonly values: readonly number[]

  /** @throws ArgumentError for lists of other lengths, boundaries that do not grow, or numbers out of their range */
  constructor(options: PiecewiseConstantDecayOptions) {
    super()
    const owner = 'piecewiseConstantDecay'
    const { boundaries, values } = classOptions(owner, new.target, options, piecewiseConstantDecayOptions)
    for (const [name, list] of Object.entries({ boundaries, values })) {
      if (Array.isArray(list) && list.length > 0) continue
      throw failure(ArgumentError, owner, `expected ${name} to be a list of at least one number, received ${show(list)}`)
    }
    this.boundaries = boundaries.map((step) => numberOption(owner, 'boundaries', step, { min: 0 }))
    this.values = values.map((rate) => numberOption(owner, 'values', rate, { min: 0 }))
    if (boundaries.some((step, i) => i > 0 && step <= boundaries[i - 1]!))
      throw failure(ArgumentError, owner, `expected boundaries that grow, received ${show(boundaries)}`)
    if (values.length !== boundaries.length + 1)
      throw failure(ArgumentError, owner, `expected one value more than the ${boundaries.length} boundaries, received ${values.length}`)
  }

  override rate(step: Tensor): Tensor {
    const { boundaries, values } = this
    const last = ops.full([], values.at(-1)!, { device: step.device })
    return boundaries.reduceRight((later, boundary, i) => ops.where(ops.lessEqual(step, boundary), values[i]!, later), last)
  }

  override getConfig(): Config {
    return { boundaries: this.boundaries, values: this.values }
  }
}

const classes = {
  cosineDecay: CosineDecay,
  cosineDecayRestarts: CosineDecayRestarts,
  exponentialDecay: ExponentialDecay,
  inverseTimeDecay: InverseTimeDecay,
  piecewiseConstantDecay: PiecewiseConstantDecay,
  polynomialDecay: PolynomialDecay
}

/** What stands for a schedule. */
export type ScheduleSpec = Schedule | LearningRateSchedule | Serialized | SerializedFunction

class FunctionSchedule extends Schedule {
  constructor(readonly fn: LearningRateSchedule) {
    super()
  }

  override rate(step: Tensor): Tensor {
    return this.fn(step)
  }
}

const registry = new Registry<Schedule>('learning rate schedule', Schedule, classes, {}, FunctionSchedule)

/** Gives the schedule that `spec` stands for; undefined if it is nothing of the kind, such as a number. */
export function get(spec: unknown): Schedule | undefined {
  const schedule = typeof spec === 'string' ? undefined : registry.find(spec)
  return schedule && fixOptions(schedule)
}
/** What a file holds for a schedule; {@link get} makes it again. */
export const serialize = (schedule: Schedule): Serialized | SerializedFunction => registry.serialize(schedule)

/**
 * {@link CosineDecay}: falls along a cosine, after a rise if asked for.
 * @example
 * optimizers.sgd({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 1000 }) })
 */
export const cosineDecay = (options: CosineDecayOptions): Schedule => new CosineDecay(options)
/** {@link CosineDecayRestarts}: falls along a cosine again and again, each time for longer. */
export const cosineDecayRestarts = (options: CosineDecayRestartsOptions): Schedule => new CosineDecayRestarts(options)
/** {@link ExponentialDecay}: times `decayRate` every `decaySteps` steps. */
export const exponentialDecay = (options: RateDecayOptions): Schedule => new ExponentialDecay(options)
/** {@link InverseTimeDecay}: falls as 1 / (1 + steps). */
export const inverseTimeDecay = (options: RateDecayOptions): Schedule => new InverseTimeDecay(options)
/** {@link PiecewiseConstantDecay}: a rate for each stretch of steps. */
export const piecewiseConstantDecay = (options: PiecewiseConstantDecayOptions): Schedule => new PiecewiseConstantDecay(options)
/** {@link PolynomialDecay}: falls in a straight line, or along a power. */
export const polynomialDecay = (options: PolynomialDecayOptions): Schedule => new PolynomialDecay(options)
