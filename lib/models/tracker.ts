// The running totals of a run: the loss and the metrics, kept on the device and read as logs.
import type { Logs } from '../callbacks/callback'
import type { Batch } from '../data/values'
import * as metrics from '../metrics'
import * as ops from '../ops'
import { accumulate } from '../ops/training'
import { scope } from '../scope'
import {
  classNameOf,
  deserializeFunction,
  isSerialized,
  type Serialized,
  type SerializedFunction,
  withCustomObjects
} from '../serialization'
import { type Tensor, type Variable, variable } from '../tensor'

interface Tracked {
  /** The key in logs. */
  key: string
  /** What makes an equal metric, whatever `customObjects` are known then: a name, a function, a loss or a metric. */
  spec: Exclude<metrics.MetricSpec, Serialized | SerializedFunction>
  weighted: boolean
  /** Undefined until the shapes that it depends on are known. */
  metric: metrics.Metric | undefined
}

/** Loss and metrics of one kind of run. */
export class Tracker {
  private readonly tracked: readonly Tracked[]
  /** float32 [3]: sum of loss · samples, its compensation (Kahan), number of samples. */
  private lossTotal: Variable | undefined

  /** @throws ArgumentError for a metric that there is not */
  constructor(specs: readonly metrics.MetricSpec[], weightedSpecs: readonly metrics.MetricSpec[]) {
    const track = (given: metrics.MetricSpec, weighted: boolean): Tracked => {
      const spec = resolve(given)
      const metric = metrics.needsShapes(spec) ? undefined : metrics.get(spec)
      return { key: typeof spec === 'string' ? spec : metric!.name, spec, weighted, metric }
    }
    this.tracked = [...specs.map((spec) => track(spec, false)), ...weightedSpecs.map((spec) => track(spec, true))]
  }

  /** A tracker of the same metrics with totals of its own. */
  sibling(): Tracker {
    const specs = (weighted: boolean) => this.tracked.filter((t) => t.weighted === weighted).map((t) => copyOf(t.spec))
    return new Tracker(specs(false), specs(true))
  }

  /** Whether a larger value of the metric with this key is better. */
  direction(key: string): 'up' | 'down' | undefined {
    return this.tracked.find((t) => t.key === key)?.metric?.direction
  }

  /** Adds a batch. Runs inside captured functions; `predictions` is only called if a metric needs them. */
  add({ ys, sampleWeight, size }: Batch, loss: Tensor, predictions: () => Tensor): void {
    accumulate(this.loss, loss, ops.full([], size, { device: loss.device }))
    const yTrue = ys[0]
    if (this.tracked.length === 0 || yTrue === undefined) return
    const yPred = predictions()
    for (const tracked of this.tracked) {
      tracked.metric ??= metrics.get(tracked.spec, { yTrue: yTrue.shape, yPred: yPred.shape })
      tracked.metric.update(yTrue, yPred, tracked.weighted ? sampleWeight : undefined)
    }
  }

  /** Forgets what was added. */
  reset(): void {
    this.lossTotal?.assign([0, 0, 0])
    for (const { metric } of this.tracked) metric?.reset()
  }

  /** The means so far, in one read; rejects if a step has failed. */
  async read(): Promise<Logs> {
    const known = this.tracked.flatMap(({ key, metric }) => (metric === undefined ? [] : [{ key, metric }]))
    const totals = ops.concat([this.loss, ...known.map(({ metric }) => metric.totals)])
    try {
      const values = await totals.data()
      const logs: Logs = { loss: (values[0]! - values[1]!) / values[2]! }
      let at = 3
      for (const { key, metric } of known) {
        const end = at + metric.totals.size
        logs[key] = metric.compute(values.subarray(at, end))
        at = end
      }
      return logs
    } finally {
      totals.dispose()
    }
  }

  /** Resolves when what was added so far has been computed; rejects if it failed. */
  async fence(): Promise<void> {
    await this.loss.data()
  }

  /** What a file holds: names as they were given, configs of the others. */
  getConfig(): Record<string, unknown> {
    const config = ({ spec, metric }: Tracked) => (typeof spec === 'string' ? spec : metrics.serialize(metric!))
    return {
      metrics: this.tracked.filter((t) => !t.weighted).map(config),
      weightedMetrics: this.tracked.filter((t) => t.weighted).map(config)
    }
  }

  dispose(): void {
    this.lossTotal?.dispose()
    for (const { metric } of this.tracked) metric?.dispose()
  }

  private get loss(): Variable {
    this.lossTotal ??= scope(() => variable(ops.zeros([3]), { name: 'loss', trainable: false }))
    return this.lossTotal
  }
}

/** What a file holds for a metric as the function or metric that it stands for; anything else as it is. */
function resolve(spec: metrics.MetricSpec): Tracked['spec'] {
  if (isSerialized(spec)) return metrics.get(spec)
  const fn = deserializeFunction('metric', spec)
  return (fn as metrics.MetricFunction | undefined) ?? (spec as Tracked['spec'])
}

/** An equal metric: from an object's config and class; anything else makes a new one by itself. */
function copyOf(spec: metrics.MetricSpec): metrics.MetricSpec {
  if (!(spec instanceof metrics.Metric)) return spec
  return withCustomObjects({ [classNameOf(spec)]: spec.constructor }, () => metrics.get(metrics.serialize(spec) as Serialized))
}
