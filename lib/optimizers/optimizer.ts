// The base class of optimizers: learning rate and step counter on the device, clipping, weight decay, averages of the weights, state.
import { booleanOption, type NamesOf, numberOption, type OptionNames, optionalNumber } from '../arguments'
import { inDType } from '../dtype'
import { ArgumentError, DisposedError, DTypeError, failure, ShapeError, show, showShape } from '../errors'
import { expectTensor } from '../op'
import * as ops from '../ops'
import { type Clip, increment, squaredNorms, type Update } from '../ops/training'
import * as schedules from '../schedules'
import { scope } from '../scope'
import { type Config, classOptions, fixOptions, kindOf } from '../serialization'
import { sameShape } from '../shape'
import { isFloat } from '../tape'
import { Tensor, Variable, variable } from '../tensor'

/** Options of every optimizer. At most one of the three kinds of clipping. */
export interface OptimizerOptions {
  name?: string | undefined
  /** A number, one of `schedules`, or a function of the step. */
  learningRate?: number | schedules.ScheduleSpec | undefined
  /** Decoupled decay: w −= w · weightDecay · learningRate before the update. Default none. */
  weightDecay?: number | null | undefined
  /** Scales the gradient of each variable to at most this L2 norm. */
  clipnorm?: number | null | undefined
  /** Clips each element of the gradients to [−clipvalue, clipvalue]. */
  clipvalue?: number | null | undefined
  /** Scales all gradients together to at most this L2 norm. */
  globalClipnorm?: number | null | undefined
  /** Whether to keep an exponential moving average of the weights. Default false. */
  useEma?: boolean | undefined
  /** Share of the old average at each step. Default 0.99. */
  emaMomentum?: number | undefined
  /** After how many steps, again and again, the weights are set to their average. Default: only by `finalizeVariableValues`. */
  emaOverwriteFrequency?: number | null | undefined
}

export const optimizerOptions: NamesOf<OptimizerOptions> = {
  name: 'optional',
  learningRate: 'optional',
  weightDecay: 'optional',
  clipnorm: 'optional',
  clipvalue: 'optional',
  globalClipnorm: 'optional',
  useEma: 'optional',
  emaMomentum: 'optional',
  emaOverwriteFrequency: 'optional'
}

interface State {
  slots: Variable[]
  average: Variable | undefined
}

/**
 * An optimizer. `apply(gradients, variables)` makes one step: clip, decay the weights, update, average, constrain, count.
 *
 * All its state lives on the device, so that a captured step replays without the host: `iterations` and `learningRate` are therefore
 * read blocking, and setting the rate is a write in stream order.
 */
export abstract class Optimizer {
  /** @internal Names of the options. */
  static readonly optionNames: OptionNames = optimizerOptions
  readonly name: string
  readonly weightDecay: number | undefined
  readonly clipnorm: number | undefined
  readonly clipvalue: number | undefined
  readonly globalClipnorm: number | undefined
  readonly useEma: boolean
  readonly emaMomentum: number
  readonly emaOverwriteFrequency: number | undefined
  private readonly schedule: schedules.Schedule | undefined
  private readonly initialRate: number
  private step: Variable | undefined
  private rate: Variable | undefined
  private readonly states = new Map<Variable, State>()
  private readonly undecayed = new Set<Variable>()
  private disposed = false
  private fixed = false

  /** @throws ArgumentError for options out of their range */
  constructor(options: OptimizerOptions, defaultRate: number) {
    const kind = this.kind
    const { name, learningRate = defaultRate } = classOptions(kind, new.target, options, new.target.optionNames)
    this.name = name ?? kind
    this.schedule = schedules.get(learningRate)
    this.initialRate = this.schedule ? Number.NaN : numberOption(kind, 'learningRate', learningRate, { min: 0 })
    this.weightDecay = optionalNumber(kind, 'weightDecay', options.weightDecay, { min: 0 })
    this.clipnorm = optionalNumber(kind, 'clipnorm', options.clipnorm, { above: 0 })
    this.clipvalue = optionalNumber(kind, 'clipvalue', options.clipvalue, { above: 0 })
    this.globalClipnorm = optionalNumber(kind, 'globalClipnorm', options.globalClipnorm, { above: 0 })
    const { clipnorm, clipvalue, globalClipnorm } = this
    if ([clipnorm, clipvalue, globalClipnorm].filter((v) => v !== undefined).length > 1) {
      const received = `clipnorm ${show(clipnorm)}, clipvalue ${show(clipvalue)}, globalClipnorm ${show(globalClipnorm)}`
      throw failure(ArgumentError, kind, `expected at most one of clipnorm, clipvalue and globalClipnorm, received ${received}`)
    }
    this.useEma = booleanOption(kind, 'useEma', options.useEma ?? false)
    this.emaMomentum = numberOption(kind, 'emaMomentum', options.emaMomentum ?? 0.99, { min: 0, max: 1 })
    this.emaOverwriteFrequency = optionalNumber(kind, 'emaOverwriteFrequency', options.emaOverwriteFrequency, { integer: true, min: 1 })
  }

  /** Names of the variables that the update keeps for each weight, in the order of the native op. */
  protected abstract get slotNames(): readonly string[]
  /** The slots in the order in which they are saved: group by group, within a group variable by variable. */
  protected get savedGroups(): readonly (readonly string[])[] {
    return this.slotNames.map((name) => [name])
  }

  /** From the first state on, options that are constants of a captured step cannot be set. */
  private fix(): void {
    fixOptions(this, ['name', 'learningRate'])
    this.fixed = true
  }

  /** Updates all variables in one launch. */
  protected abstract update(step: Update): void

  /** The name that messages start with. */
  get kind(): string {
    return kindOf(this.constructor)
  }

  /** Number of updates so far. Reading waits for the device. */
  get iterations(): number {
    return this.step ? this.step.dataSync()[0]! : 0
  }

  set iterations(value: number) {
    this.counter.assign([numberOption(this.kind, 'iterations', value, { integer: true, min: 0 })])
  }

  /** The learning rate of the next update. Reading waits for the device; setting is a write in stream order. */
  get learningRate(): number {
    if (!this.schedule) return this.rate ? shortest(this.rate.dataSync()[0]!) : this.initialRate
    const rate = scope(() => this.currentRate())
    try {
      return shortest(rate.dataSync()[0]!)
    } finally {
      rate.dispose()
    }
  }

  set learningRate(value: number) {
    if (this.schedule) throw failure(ArgumentError, this.kind, 'expected no new learningRate, since the rate follows a schedule')
    this.rateVariable.assign([numberOption(this.kind, 'learningRate', value, { min: 0 })])
  }

  /** The state to be saved, in the order of Keras: iteration, learning rate, averages, then what the update keeps. */
  get weights(): Variable[] {
    return this.stateOf(this.variables)
  }

  /** @internal The part of `weights` that belongs to these of its `variables`. */
  stateOf(variables: readonly Variable[]): Variable[] {
    const states = variables.map((v) => this.states.get(v)!)
    const averages = states.flatMap(({ average }) => average ?? [])
    const slots = this.savedGroups.flatMap((group) =>
      states.flatMap((state) => group.map((name) => state.slots[this.slotNames.indexOf(name)]!))
    )
    return [this.counter, this.rateVariable, ...averages, ...slots]
  }

  /** The variables that there is state for, in the order of that state. */
  get variables(): Variable[] {
    return [...this.states.keys()]
  }

  /** Makes the state for variables that have none; `apply` does so too. */
  build(variables: readonly Variable[]): void {
    if (this.disposed) throw failure(DisposedError, this.kind, 'expected a live optimizer, received one that has been disposed')
    if (!this.fixed) this.fix()
    for (const v of variables) {
      if (this.states.has(v)) continue
      if (!(v instanceof Variable)) throw failure(ArgumentError, this.kind, `expected variables, received ${show(v)}`)
      if (v.dtype !== 'float32') throw failure(DTypeError, this.kind, `expected float32 variables, received ${v.name} of dtype ${v.dtype}`)
      scope(() => {
        const slots = this.slotNames.map((name) => variable(ops.zerosLike(v), { name: `${v.name}_${name}`, trainable: false }))
        const average = this.useEma ? variable(v, { name: `${v.name}_average`, trainable: false }) : undefined
        this.states.set(v, { slots, average })
      })
    }
  }

  /**
   * One step. `gradients[i]` belongs to `variables[i]`.
   * @throws ArgumentError for lists of different lengths; ShapeError, DTypeError for a gradient of another shape than its variable or of no floats
   * @example
   * const { grads } = valueAndGrad(() => loss(y, model.apply(x)), model.trainableVariables)
   * optimizer.apply(grads, model.trainableVariables)
   */
  apply(gradients: readonly Tensor[], variables: readonly Variable[]): void {
    this.check(gradients, variables)
    this.build(variables)
    if (variables.length === 0) return
    scope(() => {
      const learningRate = this.schedule ? this.currentRate() : this.rateVariable
      const weightDecay = this.undecayed.size === 0 ? (this.weightDecay ?? 0) : this.decay(variables, learningRate)
      const [clip, clipLimit] = this.clipping
      this.update({
        learningRate,
        iterations: this.counter,
        squaredNorms: clip === 'norm' || clip === 'globalNorm' ? squaredNorms(gradients) : null,
        groups: variables.map((v, i) => [v, gradients[i]!, ...this.states.get(v)!.slots]),
        weightDecay,
        clip,
        clipLimit
      })
      if (this.useEma) this.average(variables)
      for (const v of variables) if (v.constraint) v.assign(v.constraint.constrain(v))
      increment(this.counter, 1)
    })
  }

  /** Names variables that weight decay leaves alone: biases, say. */
  excludeFromWeightDecay(variables: readonly Variable[]): void {
    for (const v of variables) this.undecayed.add(v)
  }

  /** Sets the weights to their moving averages, at the end of a training with `useEma`. */
  finalizeVariableValues(variables: readonly Variable[]): void {
    for (const v of variables) {
      const average = this.states.get(v)?.average
      if (average) v.assign(average)
    }
  }

  /** The options that make this optimizer again. */
  getConfig(): Config {
    return {
      name: this.name,
      learningRate: this.schedule ? schedules.serialize(this.schedule) : this.learningRate,
      weightDecay: this.weightDecay ?? null,
      clipnorm: this.clipnorm ?? null,
      clipvalue: this.clipvalue ?? null,
      globalClipnorm: this.globalClipnorm ?? null,
      useEma: this.useEma,
      emaMomentum: this.emaMomentum,
      emaOverwriteFrequency: this.emaOverwriteFrequency ?? null
    }
  }

  /** Frees the state. */
  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.step?.dispose()
    this.rate?.dispose()
    for (const { slots, average } of this.states.values()) for (const v of [...slots, average]) v?.dispose()
    this.states.clear()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  private get counter(): Variable {
    this.step ??= scope(() => variable(ops.zeros([1], { dtype: 'int32' }), { name: 'iteration', trainable: false }))
    return this.step
  }

  private get rateVariable(): Variable {
    this.rate ??= scope(() => variable(ops.full([1], this.schedule ? 0 : this.initialRate), { name: 'learning_rate', trainable: false }))
    return this.rate
  }

  /** What the schedule says for this step, as the native op takes it: (1). */
  private currentRate(): Tensor {
    const rate = this.schedule!.rate(ops.cast(ops.reshape(this.counter, []), 'float32'))
    if (!(rate instanceof Tensor) || rate.size !== 1) {
      throw failure(ArgumentError, this.kind, `expected the learning rate schedule to return a scalar tensor, received ${show(rate)}`)
    }
    return ops.reshape(inDType(rate, 'float32'), [1])
  }

  private get clipping(): [kind: Clip, limit: number] {
    if (this.clipnorm !== undefined) return ['norm', this.clipnorm]
    if (this.clipvalue !== undefined) return ['value', this.clipvalue]
    return this.globalClipnorm !== undefined ? ['globalNorm', this.globalClipnorm] : ['none', 0]
  }

  /** Decays all variables but those excluded here, so that the update has nothing left to decay: returns 0. */
  private decay(variables: readonly Variable[], rate: Tensor): 0 {
    if (this.weightDecay === undefined) return 0
    const factor = ops.mul(ops.reshape(rate, []), this.weightDecay)
    for (const v of variables) if (!this.undecayed.has(v)) v.assign(ops.sub(v, ops.mul(v, factor)))
    return 0
  }

  /** average = m · average + (1 − m) · w, where m is 0 at the first step; then w = average every so many steps. */
  private average(variables: readonly Variable[]): void {
    const step = ops.reshape(this.counter, [])
    const momentum = ops.mul(ops.cast(ops.greater(step, 0), 'float32'), this.emaMomentum)
    const rest = ops.sub(1, momentum)
    const frequency = this.emaOverwriteFrequency
    const overwrite = frequency === undefined ? undefined : ops.equal(ops.mod(ops.add(step, 1), frequency), 0)
    for (const v of variables) {
      const average = this.states.get(v)!.average!
      average.assign(ops.add(ops.mul(average, momentum), ops.mul(v, rest)))
      if (overwrite) v.assign(ops.where(overwrite, average, v))
    }
  }

  private check(gradients: readonly Tensor[], variables: readonly Variable[]): void {
    if (!Array.isArray(gradients) || !Array.isArray(variables) || gradients.length !== variables.length) {
      const received = [gradients, variables].map((list) => (Array.isArray(list) ? list.length : show(list)))
      throw failure(ArgumentError, this.kind, `expected as many gradients as variables, received ${received[0]} and ${received[1]}`)
    }
    variables.forEach((v, i) => {
      if (!(v instanceof Variable)) throw failure(ArgumentError, this.kind, `expected variables, received ${show(v)} at ${i}`)
      const gradient: unknown = gradients[i]
      expectTensor(this.kind, `the gradient of ${v.name}`, gradient)
      const { shape, dtype } = gradient
      if (!sameShape(shape, v.shape)) {
        throw failure(ShapeError, this.kind, `expected the gradient of ${v.name} to be ${showShape(v.shape)}, received ${showShape(shape)}`)
      }
      if (!isFloat(dtype)) throw failure(DTypeError, this.kind, `expected a float gradient of ${v.name}, received ${dtype}: use cast`)
    })
  }
}

/** The shortest decimal that is this float32: 0.001 rather than 0.0010000000474974513. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === value) return rounded
  }
  return value
}
