// evaluate: loss and metrics on data.
import { checkOptions, type NamesOf, numberOption } from '../arguments'
import { type Callback, CallbackList, type Logs } from '../callbacks/callback'
import { type BatchStream, ItemStream } from '../data/streams'
import { type Batches, checkData, isBatches, type ModelValues } from '../data/values'
import type { Compiled, Evaluation } from './compiled'
import type { AnyModel } from './model'
import { openStream } from './open'
import { checkSignal, Runner, type StepSource } from './run'
import { StreamSource } from './sources'
import { barFor, type Verbosity } from './verbose'

export interface EvaluateOptions {
  /** Default 32. */
  batchSize?: number | undefined
  /** Default 0. */
  verbose?: Verbosity | undefined
  /** A weight for each sample: for all outputs, or an array or record with one for each output. */
  sampleWeight?: ModelValues | undefined
  /** How many batches to take. */
  steps?: number | undefined
  callbacks?: readonly Callback[] | undefined
  signal?: AbortSignal | undefined
}

const evaluateOptions: NamesOf<EvaluateOptions> = {
  batchSize: 'optional',
  verbose: 'optional',
  sampleWeight: 'optional',
  steps: 'optional',
  callbacks: 'optional',
  signal: 'optional'
}

/** Evaluates a model on data or batches. */
export async function evaluate(
  model: AnyModel,
  compiled: Compiled,
  x: ModelValues | Batches,
  y: ModelValues | undefined,
  options: EvaluateOptions
): Promise<Logs> {
  const { batchSize = 32, verbose = 0, sampleWeight, steps, callbacks = [], signal } = checkOptions('evaluate', options, evaluateOptions)
  numberOption('evaluate', 'batchSize', batchSize, { integer: true, min: 1 })
  if (steps !== undefined) numberOption('evaluate', 'steps', steps, { integer: true, min: 1 })
  checkSignal('evaluate', signal)
  const shapes = model.dataShapes('evaluate')
  let stream: BatchStream
  if (isBatches(x)) stream = new ItemStream(x, shapes)
  else {
    const data = checkData(shapes, { x, y, sampleWeight })
    stream = await openStream(data, 0, data.samples, batchSize)
  }
  const list = new CallbackList('evaluate', callbacks, model, barFor('evaluate', verbose))
  const evaluation = compiled.takeEvaluation()
  const source = new StreamSource(stream, (batch) => evaluation.test(batch))
  try {
    const known = steps ?? source.steps
    await list.start({ epochs: 1, steps: known })
    const ended = (ran: number) => list.setParams({ epochs: 1, steps: ran })
    return await runEvaluation(model, evaluation, source, list, steps, signal, known === undefined ? ended : undefined)
  } finally {
    source.close()
    compiled.giveBack(evaluation)
  }
}

/** One pass over a source of steps of an evaluation, or `steps` of it; `ended` gets their number. The source stays open. */
export async function runEvaluation(
  model: AnyModel,
  { tracker }: Evaluation,
  source: StepSource,
  callbacks: CallbackList,
  steps: number | undefined,
  signal: AbortSignal | undefined,
  ended?: (steps: number) => Promise<void>
): Promise<Logs> {
  tracker.reset()
  const read = () => tracker.read()
  const runner = new Runner(source, { where: 'evaluate', kind: 'Test', callbacks, signal, device: () => model.device, read })
  await callbacks.begin('Test')
  const ran = await runner.run(steps)
  await ended?.(ran)
  const logs = await tracker.read()
  await callbacks.end('Test', logs)
  return logs
}
