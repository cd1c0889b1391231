// What compile() makes: optimizer, loss and metrics, the step of training and the step of evaluation built from them.
import { checkOptions, type NamesOf } from '../arguments'
import { type Captured, capture } from '../capture'
import { type Batch, weightsOf } from '../data/values'
import { ArgumentError, failure } from '../errors'
import * as losses from '../losses'
import * as ops from '../ops'
import * as optimizers from '../optimizers'
import { valueAndGrad } from '../tape'
import type { Tensor } from '../tensor'
import type { AnyModel } from './model'
import { lossPerOutput, type Metrics, metricsPerOutput, type PerOutput, weightPerOutput } from './per-output'
import { Tracker } from './tracker'

/** What `compile` takes. */
export interface CompileOptions {
  /** A name or an object. Default `rmsprop`. */
  optimizer?: optimizers.OptimizerSpec | undefined
  /**
   * A name, an object, or a function of yTrue and yPred; with several outputs for all of them, or an array or record with one for each
   * (null or no key for none). Without it only penalties are minimised.
   */
  loss?: PerOutput<losses.LossSpec> | undefined
  /** Factors of the outputs' losses in their sum: an array, or a record by the outputs' names. Default 1. */
  lossWeights?: PerOutput<number> | undefined
  /** Names or objects; with several outputs one or an array of them for each, in an array or record. They do not see sample weights. */
  metrics?: Metrics | undefined
  /** Metrics that weigh samples by `sampleWeight` and `classWeight`; the key of one that is in `metrics` too begins with `weighted_`. */
  weightedMetrics?: Metrics | undefined
}

const compileOptions: NamesOf<CompileOptions> = {
  optimizer: 'optional',
  loss: 'optional',
  lossWeights: 'optional',
  metrics: 'optional',
  weightedMetrics: 'optional'
}

/** One evaluation: its step and what it adds to. */
export interface Evaluation {
  readonly tracker: Tracker
  /** The step, to be captured. */
  step(batch: Batch): void
  /** The step on a batch that is passed in, captured. */
  test(batch: Batch): void
  dispose(): void
}

type StepFunction = (xs: readonly Tensor[], ys: readonly Tensor[], sampleWeights: readonly Tensor[]) => void

/** What is done with one output. */
interface Objective {
  readonly loss: losses.Loss | undefined
  readonly weight: number
  /** Place of its targets among those of a batch; undefined if it has none. */
  readonly target: number | undefined
}

/** Losses of a batch, and what came out of the model. */
interface Forward {
  /** Each output's loss, unweighted; undefined where there is none. */
  readonly losses: readonly (Tensor | undefined)[]
  readonly outputs: readonly Tensor[]
}

/** A compiled model's training. */
export class Compiled {
  readonly optimizer: optimizers.Optimizer
  /** Numbers of the outputs that have targets: those with a loss or a metric. */
  readonly targets: readonly number[]
  /** Totals of training. */
  readonly training: Tracker
  private readonly objectives: readonly Objective[]
  private readonly ownsOptimizer: boolean
  private readonly trainOn: Captured<Parameters<StepFunction>, void>
  /** Evaluations that nobody uses at the moment. */
  private readonly evaluations: Evaluation[] = []

  constructor(
    private readonly model: AnyModel,
    readonly options: CompileOptions
  ) {
    const { optimizer = 'rmsprop', loss, lossWeights, metrics, weightedMetrics } = checkOptions('compile', options, compileOptions)
    const { outputNames: names } = model
    const all = lossPerOutput(loss, names)
    const weights = weightPerOutput(lossWeights, names)
    const plain = metricsPerOutput('metrics', metrics, names)
    const weighted = metricsPerOutput('weightedMetrics', weightedMetrics, names)
    this.targets = names.flatMap((_, i) => (all[i] !== undefined || plain[i]!.length + weighted[i]!.length > 0 ? [i] : []))
    this.objectives = names.map((_, i) => ({
      loss: all[i] === undefined ? undefined : losses.get(all[i]),
      weight: weights[i]!,
      target: this.targets.includes(i) ? this.targets.indexOf(i) : undefined
    }))
    this.optimizer = optimizers.get(optimizer)
    this.ownsOptimizer = !(optimizer instanceof optimizers.Optimizer)
    this.training = new Tracker(
      names.map((name, i) => ({
        name: names.length > 1 ? name : undefined,
        hasLoss: all[i] !== undefined,
        metrics: plain[i]!,
        weightedMetrics: weighted[i]!
      }))
    )
    this.trainOn = capture((xs, ys, sampleWeights) => this.trainStep(batchOf(xs, ys, sampleWeights)))
  }

  /** One step of training on a batch that is passed in, captured. */
  train({ xs, ys, sampleWeights }: Batch): void {
    this.prepare(xs.map(({ shape }) => shape))
    this.trainOn(xs, ys, sampleWeights)
  }

  /** Totals and step of an evaluation: several may go on at once, also inside a fit. `giveBack` it in the end. */
  takeEvaluation(): Evaluation {
    return this.evaluations.pop() ?? this.newEvaluation()
  }

  giveBack(evaluation: Evaluation): void {
    this.evaluations.push(evaluation)
  }

  private newEvaluation(): Evaluation {
    const tracker = this.training.sibling()
    const step = (batch: Batch): void => this.track(tracker, batch, this.forward(batch, false))
    const captured: Captured<Parameters<StepFunction>, void> = capture((xs, ys, sampleWeights) => step(batchOf(xs, ys, sampleWeights)))
    const test = ({ xs, ys, sampleWeights }: Batch): void => captured(xs, ys, sampleWeights)
    const dispose = (): void => {
      captured.dispose()
      tracker.dispose()
    }
    return { tracker, step, test, dispose }
  }

  /** Makes weights and optimizer state, so that no step does. */
  prepare(shapes: readonly (readonly number[])[]): void {
    this.model.buildFor(shapes)
    this.optimizer.build(this.model.trainableVariables)
  }

  /** Forward, loss, gradients, update, totals. Runs inside a captured function. */
  trainStep(batch: Batch): void {
    const variables = this.model.trainableVariables
    if (variables.length === 0) {
      this.track(this.training, batch, this.forward(batch, true))
      return
    }
    const { value, aux, grads } = valueAndGrad(() => this.forward(batch, true), variables)
    this.optimizer.apply(grads, variables)
    this.track(this.training, batch, [value, ...aux])
  }

  /**
   * The sum of weighted losses and penalties, and what it is made of. A cross-entropy that follows the activation it is made for is
   * computed from what enters that activation, which is faster and exact for probabilities near 0; the output is then before that
   * activation.
   */
  private forward(batch: Batch, training: boolean): [loss: Tensor, parts: Forward] {
    const { model, objectives } = this
    const logits = objectives.map((_, i) => this.fromLogits(i))
    const outputs = model.forward(batch.xs, training, logits)
    const each = objectives.map(({ loss, target }, i) => {
      if (loss === undefined) return undefined
      const [y, weights] = [batch.ys[target!]!, weightsOf(batch, target!)]
      return logits[i] ? loss.callFromLogits(y, outputs[i]!, weights) : loss.call(y, outputs[i]!, weights)
    })
    const terms = each.flatMap((loss, i) => {
      const { weight } = objectives[i]!
      return loss === undefined ? [] : [weight === 1 ? loss : ops.mul(loss, weight)]
    })
    terms.push(...model.losses)
    if (terms.length === 0) throw failure(ArgumentError, 'fit', 'expected a model compiled with a loss, or with layers that add losses')
    return [terms.reduce((sum, term) => ops.add(sum, term)), { losses: each, outputs }]
  }

  private fromLogits(i: number): boolean {
    const { loss } = this.objectives[i]!
    const activation = this.model.logitsActivationOf(i)
    return activation !== undefined && loss?.logitsActivation === activation && (loss as { fromLogits?: boolean }).fromLogits !== true
  }

  private track(tracker: Tracker, { ys, sampleWeights, size }: Batch, [loss, { losses, outputs }]: [Tensor, Forward]): void {
    const predictions = (i: number): Tensor => {
      if (!this.fromLogits(i)) return outputs[i]!
      return this.model.logitsActivationOf(i) === 'softmax' ? ops.softmax(outputs[i]!) : ops.sigmoid(outputs[i]!)
    }
    const outputsOf = this.objectives.map(({ target }, i) => ({
      loss: losses[i],
      yTrue: target === undefined ? undefined : ys[target],
      sampleWeight: target === undefined ? undefined : weightsOf({ sampleWeights }, target),
      predictions: () => predictions(i)
    }))
    tracker.add(size, loss, outputsOf)
  }

  /** What a file holds; the metrics by name or config. */
  getConfig(): Record<string, unknown> {
    return {
      optimizer: optimizers.serialize(this.optimizer),
      ...this.lossConfig(),
      ...this.training.getConfig()
    }
  }

  private lossConfig(): Record<string, unknown> {
    const all = this.objectives.map(({ loss }) => (loss === undefined ? null : losses.serialize(loss)))
    if (all.every((loss) => loss === null)) return {}
    return { loss: all.length === 1 ? all[0] : all, lossWeights: this.objectives.map(({ weight }) => weight) }
  }

  dispose(): void {
    this.trainOn.dispose()
    this.training.dispose()
    for (const evaluation of this.evaluations) evaluation.dispose()
    if (this.ownsOptimizer) this.optimizer.dispose()
  }
}

function batchOf(xs: readonly Tensor[], ys: readonly Tensor[], sampleWeights: readonly Tensor[]): Batch {
  return { xs, ys, sampleWeights, size: xs[0]!.shape[0]! }
}
