// What compile() makes: optimizer, loss and metrics, the step of training and the step of evaluation built from them.
import { type Captured, capture } from '../capture'
import type { Batch } from '../data/values'
import { ArgumentError, failure } from '../errors'
import * as losses from '../losses'
import type * as metrics from '../metrics'
import * as ops from '../ops'
import * as optimizers from '../optimizers'
import { valueAndGrad } from '../tape'
import type { Tensor } from '../tensor'
import type { Model } from './model'
import { Tracker } from './tracker'

/** What `compile` takes. */
export interface CompileOptions {
  /** A name or an object. Default `rmsprop`. */
  optimizer?: optimizers.OptimizerSpec | undefined
  /** A name, an object, or a function of yTrue and yPred; without it only penalties are minimised. */
  loss?: losses.LossSpec | undefined
  /** Names or objects; they do not see sample weights. */
  metrics?: readonly metrics.MetricSpec[] | undefined
  /** Metrics that weigh samples by `sampleWeight` and `classWeight`. */
  weightedMetrics?: readonly metrics.MetricSpec[] | undefined
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

type StepFunction = (xs: readonly Tensor[], ys: readonly Tensor[], sampleWeight: Tensor | undefined) => void

/** A compiled model's training. */
export class Compiled {
  readonly optimizer: optimizers.Optimizer
  readonly loss: losses.Loss | undefined
  /** Totals of training. */
  readonly training: Tracker
  private readonly ownsOptimizer: boolean
  private readonly trainOn: Captured<Parameters<StepFunction>, void>
  /** Evaluations that nobody uses at the moment. */
  private readonly evaluations: Evaluation[] = []

  constructor(
    private readonly model: Model,
    readonly options: CompileOptions
  ) {
    const { optimizer = 'rmsprop', loss, metrics: plain = [], weightedMetrics = [] } = options
    this.optimizer = optimizers.get(optimizer)
    this.ownsOptimizer = !(optimizer instanceof optimizers.Optimizer)
    this.loss = loss === undefined ? undefined : losses.get(loss)
    this.training = new Tracker(plain, weightedMetrics)
    this.trainOn = capture((xs, ys, sampleWeight) => this.trainStep(batchOf(xs, ys, sampleWeight)))
  }

  /** One step of training on a batch that is passed in, captured. */
  train({ xs, ys, sampleWeight }: Batch): void {
    this.prepare(xs.map(({ shape }) => shape))
    this.trainOn(xs, ys, sampleWeight)
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
    const step = (batch: Batch): void => this.track(tracker, batch, ...this.forward(batch, false))
    const captured: Captured<Parameters<StepFunction>, void> = capture((xs, ys, sampleWeight) => step(batchOf(xs, ys, sampleWeight)))
    const test = ({ xs, ys, sampleWeight }: Batch): void => captured(xs, ys, sampleWeight)
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
      this.track(this.training, batch, ...this.forward(batch, true))
      return
    }
    const { value, aux, grads } = valueAndGrad(() => this.forward(batch, true), variables)
    this.optimizer.apply(grads, variables)
    this.track(this.training, batch, value, aux[0])
  }

  /**
   * The loss with all penalties, and the output. A cross-entropy that follows the activation it is made for is computed from what
   * enters that activation, which is faster and exact for probabilities near 0; the output is then before that activation.
   */
  private forward({ xs, ys, sampleWeight }: Batch, training: boolean): [loss: Tensor, output: Tensor] {
    const { model, loss } = this
    const input = xs.length === 1 ? xs[0]! : xs
    const output = this.fromLogits ? model.applyLogits(input, { training }) : model.apply(input, { training })
    const terms = model.losses
    if (loss !== undefined) {
      const call = this.fromLogits ? loss.callFromLogits(ys[0]!, output, sampleWeight) : loss.call(ys[0]!, output, sampleWeight)
      terms.unshift(call)
    }
    if (terms.length === 0) throw failure(ArgumentError, 'fit', 'expected a model compiled with a loss, or with layers that add losses')
    return [terms.reduce((sum, term) => ops.add(sum, term)), output]
  }

  private get fromLogits(): boolean {
    const { logitsActivation } = this.model
    return logitsActivation !== undefined && this.loss?.logitsActivation === logitsActivation && !this.lossTakesLogits
  }

  private get lossTakesLogits(): boolean {
    return (this.loss as { fromLogits?: boolean } | undefined)?.fromLogits === true
  }

  private track(tracker: Tracker, batch: Batch, loss: Tensor, output: Tensor): void {
    const predictions = (): Tensor => {
      if (!this.fromLogits) return output
      return this.model.logitsActivation === 'softmax' ? ops.softmax(output) : ops.sigmoid(output)
    }
    tracker.add(batch, loss, predictions)
  }

  /** What a file holds; the metrics by name or config. */
  getConfig(): Record<string, unknown> {
    return {
      optimizer: optimizers.serialize(this.optimizer),
      ...(this.loss && { loss: losses.serialize(this.loss) }),
      ...this.training.getConfig()
    }
  }

  dispose(): void {
    this.trainOn.dispose()
    this.training.dispose()
    for (const evaluation of this.evaluations) evaluation.dispose()
    if (this.ownsOptimizer) this.optimizer.dispose()
  }
}

function batchOf(xs: readonly Tensor[], ys: readonly Tensor[], sampleWeight: Tensor | undefined): Batch {
  return { xs, ys, sampleWeight, size: xs[0]!.shape[0]! }
}
