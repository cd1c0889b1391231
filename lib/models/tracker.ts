// The running totals of a run: the loss and the metrics, kept on the device and read as logs.
import type { Logs } from '../callbacks/callback'
import { ArgumentError, failure, show } from '../errors'
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

/** What is tracked of an output. */
interface OutputSpec {
  /** What stands in front of its keys; undefined for the only output. */
  name: string | undefined
  hasLoss: boolean
  metrics: readonly metrics.MetricSpec[]
  weightedMetrics: readonly metrics.MetricSpec[]
}

/** A batch as an output sees it. */
interface OutputBatch {
  loss: Tensor | undefined
  yTrue: Tensor | undefined
  sampleWeight: Tensor | undefined
  /** Only called if a metric needs them. */
  predictions: () => Tensor
}

interface Tracked {
  /** The key in logs. */
  key: string
  output: number
  /** What makes an equal metric, whatever `customObjects` are known then: a name, a function, a loss or a metric. */
  spec: Exclude<metrics.MetricSpec, Serialized | SerializedFunction>
  weighted: boolean
  /** Undefined until the shapes that it depends on are known. */
  metric: metrics.Metric | undefined
}

/** Loss and metrics of one kind of run. */
export class Tracker {
  private readonly tracked: readonly Tracked[]
  /**
   * float32 [3] for the whole loss, then for that of each output if there are several: sum of loss · samples, its compensation (Kahan),
   * number of samples.
   */
  private readonly lossTotals: { key: string; output: number | undefined; total: Variable | undefined }[]

  /** @throws ArgumentError for a metric that there is not, or a second one of a name */
  constructor(private readonly outputs: readonly OutputSpec[]) {
    const track = (given: metrics.MetricSpec, output: number, weighted: boolean): Tracked => {
      const spec = resolve(given)
      const metric = metrics.needsShapes(spec) ? undefined : metrics.get(spec)
      const key = typeof spec === 'string' ? spec : metric!.name
      const { name } = outputs[output]!
      const inOutput = (key: string) => (name === undefined ? key : `${name}_${key}`)
      return { key: inOutput(weighted && plain.has(inOutput(key)) ? `weighted_${key}` : key), output, spec, weighted, metric }
    }
    const plain = new Set<string>()
    const unweighted = outputs.flatMap((output, i) => output.metrics.map((spec) => track(spec, i, false)))
    for (const { key } of unweighted) plain.add(key)
    this.tracked = [...unweighted, ...outputs.flatMap((output, i) => output.weightedMetrics.map((spec) => track(spec, i, true)))]
    const each = outputs.flatMap(({ name, hasLoss }, output) =>
      name !== undefined && hasLoss ? [{ key: `${name}_loss`, output, total: undefined }] : []
    )
    this.lossTotals = [{ key: 'loss', output: undefined, total: undefined }, ...each]
    this.checkKeys()
  }

  /** Each total has its own entry in the logs, those of a validation too. */
  private checkKeys(): void {
    const keys = new Set<string>()
    for (const { key } of [...this.lossTotals, ...this.tracked]) {
      if (keys.has(key) || keys.has(`val_${key}`) || keys.has(key.replace(/^val_/, ''))) {
        throw failure(
          ArgumentError,
          'compile',
          `expected metrics of different names, received a second ${show(key)}: give it a name of its own`
        )
      }
      keys.add(key)
    }
  }

  /** A tracker of the same metrics with totals of its own. */
  sibling(): Tracker {
    const specs = (output: number, weighted: boolean) =>
      this.tracked.filter((t) => t.output === output && t.weighted === weighted).map((t) => copyOf(t.spec))
    return new Tracker(this.outputs.map((output, i) => ({ ...output, metrics: specs(i, false), weightedMetrics: specs(i, true) })))
  }

  /** Whether a larger value of the metric with this key is better. */
  direction(key: string): 'up' | 'down' | undefined {
    return this.tracked.find((t) => t.key === key)?.metric?.direction
  }

  /** Adds a batch of `size` samples. Runs inside captured functions. */
  add(size: number, loss: Tensor, batches: readonly OutputBatch[]): void {
    const samples = ops.full([], size, { device: loss.device })
    for (const { output } of this.lossTotals) {
      accumulate(this.lossTotal(output), output === undefined ? loss : batches[output]!.loss!, samples)
    }
    for (const [i, { yTrue, sampleWeight, predictions }] of batches.entries()) {
      const mine = this.tracked.filter(({ output }) => output === i)
      if (mine.length === 0 || yTrue === undefined) continue
      const yPred = predictions()
      for (const tracked of mine) {
        tracked.metric ??= metrics.get(tracked.spec, { yTrue: yTrue.shape, yPred: yPred.shape })
        tracked.metric.update(yTrue, yPred, tracked.weighted ? sampleWeight : undefined)
      }
    }
  }

  /** Forgets what was added. */
  reset(): void {
    for (const { total } of this.lossTotals) total?.assign([0, 0, 0])
    for (const { metric } of this.tracked) metric?.reset()
  }

  /** The means so far, in one read. */
  async read(): Promise<Logs> {
    const known = this.tracked.flatMap(({ key, metric }) => (metric === undefined ? [] : [{ key, metric }]))
    const sums = this.lossTotals.map(({ output }) => this.lossTotal(output))
    const totals = ops.concat([...sums, ...known.map(({ metric }) => metric.totals)])
    try {
      const values = await totals.data()
      const logs: Logs = {}
      let at = 0
      for (const { key } of this.lossTotals) {
        logs[key] = (values[at]! - values[at + 1]!) / values[at + 2]!
        at += 3
      }
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

  /** What a file holds: names as they were given, configs of the others; one list for the only output, else one for each. */
  getConfig(): Record<string, unknown> {
    const config = ({ spec, metric }: Tracked) => (typeof spec === 'string' ? spec : metrics.serialize(metric!))
    const list = (weighted: boolean) => {
      const each = this.outputs.map((_, i) => this.tracked.filter((t) => t.output === i && t.weighted === weighted).map(config))
      return each.length === 1 ? each[0] : each
    }
    return { metrics: list(false), weightedMetrics: list(true) }
  }

  dispose(): void {
    for (const { total } of this.lossTotals) total?.dispose()
    for (const { metric } of this.tracked) metric?.dispose()
  }

  private lossTotal(output: number | undefined): Variable {
    const entry = this.lossTotals.find((one) => one.output === output)!
    entry.total ??= scope(() => variable(ops.zeros([3]), { name: entry.key, trainable: false }))
    return entry.total
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
