// Accuracies: the share of samples whose prediction is right. As in Keras 3.
import { type NamesOf, numberOption } from '../arguments'
import { inDType } from '../dtype'
import { matched, matchedLabels } from '../losses/shapes'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { type Direction, MeanMetric, type MetricOptions, metricOptions } from './metric'

abstract class AccuracyMetric extends MeanMetric {
  override get direction(): Direction {
    return 'up'
  }
}

/** How often yPred equals yTrue. The string `'accuracy'` means one of the other three, chosen by shapes. */
export class Accuracy extends AccuracyMetric {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return inDType(ops.equal(t, p), 'float32')
  }
}

export interface BinaryAccuracyOptions extends MetricOptions {
  /** What a probability must exceed to be taken for 1, in (0, 1). Default 0.5. */
  threshold?: number | undefined
}

/** How often yPred > threshold where yTrue is 1, and not where it is 0. */
export class BinaryAccuracy extends AccuracyMetric {
  /** @internal */
  static override readonly optionNames: NamesOf<BinaryAccuracyOptions> = { ...metricOptions, threshold: 'optional' }
  readonly threshold: number

  constructor(options: BinaryAccuracyOptions = {}) {
    super(options)
    this.threshold = numberOption('binaryAccuracy', 'threshold', options.threshold ?? 0.5, { above: 0, below: 1 })
  }

  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return inDType(ops.equal(t, inDType(ops.greater(p, this.threshold), 'float32')), 'float32')
  }

  override getConfig(): Config {
    return { ...super.getConfig(), threshold: this.threshold }
  }
}

/** How often the largest of yPred (…, C) is where the largest of yTrue (…, C) is: one-hot targets. */
export class CategoricalAccuracy extends AccuracyMetric {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    return inDType(ops.equal(ops.argmax(t, -1), ops.argmax(p, -1)), 'float32')
  }
}

/** How often the largest of yPred (…, C) is at the class number yTrue (…). */
export class SparseCategoricalAccuracy extends AccuracyMetric {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const labels = inDType(matchedLabels(this.name, yTrue, yPred), 'int32')
    return inDType(ops.equal(labels, ops.argmax(yPred, -1)), 'float32')
  }
}
