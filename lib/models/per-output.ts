// Options of compile that may be given for each output: one value, an array in the order of the outputs, or a record by their names.
import { ArgumentError, failure, show } from '../errors'
import type { LossSpec } from '../losses'
import type { MetricSpec } from '../metrics'
import { isRecord } from '../plain'
import { isSerialized } from '../serialization'

/** A value for all outputs, one for each (null for none), or some by the outputs' names. */
export type PerOutput<T> = T | readonly (T | null)[] | Readonly<Record<string, T | null>>

/** Metrics of the only output, or for each output one or several. */
export type Metrics = readonly MetricSpec[] | readonly (MetricSpec | readonly MetricSpec[] | null)[] | MetricsByName
/** Metrics by the outputs' names. */
export type MetricsByName = Readonly<Record<string, MetricSpec | readonly MetricSpec[] | null>>

/** The loss of each output. @throws ArgumentError for another number of them, or the name of no output */
export function lossPerOutput(loss: PerOutput<LossSpec> | undefined, outputs: readonly string[]): (LossSpec | undefined)[] {
  const one = !Array.isArray(loss) && (!isRecord(loss) || isSerialized(loss) || typeof loss.function === 'string')
  return one ? outputs.map(() => loss as LossSpec | undefined) : spread('loss', loss as Exclude<typeof loss, LossSpec>, outputs)
}

/** The weight of each output's loss, 1 by default. @throws as `lossPerOutput`, and for weights that are no numbers */
export function weightPerOutput(weights: PerOutput<number> | undefined, outputs: readonly string[]): number[] {
  const all = typeof weights === 'number' ? outputs.map(() => weights) : spread('lossWeights', weights, outputs)
  return all.map((weight = 1, i) => {
    if (typeof weight === 'number' && Number.isFinite(weight)) return weight
    throw failure(ArgumentError, 'compile', `expected the loss weight of ${outputs[i]} to be a number, received ${show(weight)}`)
  })
}

/** The metrics of each output. @throws as `lossPerOutput` */
export function metricsPerOutput(option: string, metrics: Metrics | undefined, outputs: readonly string[]): MetricSpec[][] {
  if (outputs.length === 1 && Array.isArray(metrics)) return [metrics.flat() as MetricSpec[]]
  return spread(option, metrics as MetricsByName | undefined, outputs).map((given) => {
    if (given === undefined) return []
    return Array.isArray(given) ? [...(given as readonly MetricSpec[])] : [given as MetricSpec]
  })
}

function spread<T>(
  option: string,
  given: readonly (T | null)[] | Readonly<Record<string, T | null>> | undefined,
  outputs: readonly string[]
): (T | undefined)[] {
  const names = outputs.map(show).join(', ')
  if (given === undefined || given === null) return outputs.map(() => undefined)
  if (Array.isArray(given)) {
    if (given.length === outputs.length) return given.map((value: T | null) => value ?? undefined)
    throw failure(ArgumentError, 'compile', `expected ${option} for ${outputs.length} outputs (${names}), received ${given.length}`)
  }
  if (!isRecord(given)) throw failure(ArgumentError, 'compile', `expected ${option} to be an array or a record, received ${show(given)}`)
  const unknown = Object.keys(given).find((key) => !outputs.includes(key))
  if (unknown === undefined) return outputs.map((name) => (given as Readonly<Record<string, T | null>>)[name] ?? undefined)
  throw failure(ArgumentError, 'compile', `expected ${option} by the names of outputs, ${names}, received ${show(unknown)}`)
}
