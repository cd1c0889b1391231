// schedules.*: learning rates that change from step to step.
import { checkOptions, numberOption, optionalNumber } from './arguments'
import * as ops from './ops'
import {
  type Config,
  deserializeFunction,
  isSerialized,
  Registry,
  type Serialized,
  type SerializedFunction,
  serializeFunction
} from './serialization'
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
    const { initialLearningRate, decaySteps, alpha = 0, warmupTarget, warmupSteps = 0 } = checkOptions('cosineDecay', options)
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

/** What stands for a schedule. */
export type ScheduleSpec = Schedule | LearningRateSchedule | Serialized | SerializedFunction

const registry = new Registry<Schedule>('learning rate schedule', Schedule, { cosineDecay: CosineDecay })

class FunctionSchedule extends Schedule {
  constructor(readonly rate: LearningRateSchedule) {
    super()
  }
}

/** Gives the schedule that `spec` stands for; undefined if it is nothing of the kind, such as a number. */
export function get(spec: unknown): Schedule | undefined {
  if (typeof spec === 'function') return new FunctionSchedule(spec as LearningRateSchedule)
  if (spec instanceof Schedule || isSerialized(spec)) return registry.get(spec)
  const fn = deserializeFunction('learning rate', spec)
  return fn && new FunctionSchedule(fn as LearningRateSchedule)
}

/** What a file holds for a schedule; {@link get} makes it again. */
export function serialize(schedule: Schedule): Serialized | SerializedFunction {
  return schedule instanceof FunctionSchedule ? serializeFunction('learning rate', schedule.rate) : registry.serialize(schedule)
}

/**
 * {@link CosineDecay}: falls along a cosine, after a rise if asked for.
 * @example
 * optimizers.sgd({ learningRate: schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 1000 }) })
 */
export const cosineDecay = (options: CosineDecayOptions): Schedule => new CosineDecay(options)
