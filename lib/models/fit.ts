// fit: epochs of training, with validation, callbacks and a way to stop.
import { booleanOption, checkOptions, type NamesOf, numberOption } from '../arguments'
import { type Callback, CallbackList, type Logs } from '../callbacks/callback'
import { History } from '../callbacks/history'
import { type ClassWeight, ClassWeights } from '../data/class-weights'
import { inOrder } from '../data/shuffle'
import { trainingCount } from '../data/split'
import { HostStream, ItemStream, type StreamedBatch } from '../data/streams'
import { type ResidentData, uploadData } from '../data/upload'
import {
  type Batches,
  type BatchItem,
  type BatchRecord,
  type CheckedData,
  checkData,
  isBatches,
  type ModelValues,
  splitItem
} from '../data/values'
import { ArgumentError, failure } from '../errors'
import type { Compiled, Evaluation } from './compiled'
import { runEvaluation } from './evaluate'
import type { AnyModel } from './model'
import { checkSignal, Runner, type StepSource } from './run'
import { type OrderSource, ResidentSource, StreamSource, shuffledOrders } from './sources'
import { barFor, type Verbosity } from './verbose'

export interface FitOptions {
  /** Index after the last epoch. Default 1. */
  epochs?: number | undefined
  /** Samples of a step. Default 32. Batches that are given have sizes of their own. */
  batchSize?: number | undefined
  /** The share of the samples, from the end and before shuffling, that is kept for validation. */
  validationSplit?: number | undefined
  /** Data to validate with after epochs: `[x, y, sampleWeight?]`, `{ x, y, sampleWeight? }`, or batches. */
  validationData?: BatchItem | Batches | undefined
  /** Whether each epoch takes the samples in another order. Default true. */
  shuffle?: boolean | undefined
  callbacks?: readonly Callback[] | undefined
  /** What is printed. Default `auto`. */
  verbose?: Verbosity | undefined
  /** Index of the first epoch. Default 0. */
  initialEpoch?: number | undefined
  /** Steps of an epoch; the next one goes on where it ended. Default: all data. */
  stepsPerEpoch?: number | undefined
  /** Steps of a validation. Default: all data. */
  validationSteps?: number | undefined
  /** Default: as `batchSize`. */
  validationBatchSize?: number | undefined
  /** After how many epochs to validate, or after which, counted from 1. Default 1. */
  validationFreq?: number | readonly number[] | undefined
  /** A weight for each class in the loss; those that are not named weigh 1. */
  classWeight?: ClassWeight | undefined
  /** A weight for each sample in the loss: for all outputs, or an array or record with one for each output. */
  sampleWeight?: ModelValues | undefined
  /** Stops the training between two steps: fit rejects with an `AbortError`, the model stays usable. */
  signal?: AbortSignal | undefined
}

const fitOptions: NamesOf<FitOptions> = {
  epochs: 'optional',
  batchSize: 'optional',
  validationSplit: 'optional',
  validationData: 'optional',
  shuffle: 'optional',
  callbacks: 'optional',
  verbose: 'optional',
  initialEpoch: 'optional',
  stepsPerEpoch: 'optional',
  validationSteps: 'optional',
  validationBatchSize: 'optional',
  validationFreq: 'optional',
  classWeight: 'optional',
  sampleWeight: 'optional',
  signal: 'optional'
}

interface Opened {
  training: StepSource
  validation: StepSource | undefined
}

/** Trains a model on data or batches. */
export async function fit(
  model: AnyModel,
  compiled: Compiled,
  x: ModelValues | Batches,
  y: ModelValues | undefined,
  given: FitOptions
): Promise<History> {
  const options = checkFitOptions(given)
  const { epochs, callbacks, verbose, initialEpoch, stepsPerEpoch, signal } = options
  checkSignal('fit', signal)
  model.stopTraining = false
  const record = new History()
  const list = new CallbackList('fit', callbacks, model, [...barFor('fit', verbose), record])
  const weights = ClassWeights.from('fit', options.classWeight, options.sampleWeight !== undefined, model.device)
  const evaluation = compiled.takeEvaluation()
  const opened: Partial<Opened> = {}
  try {
    await open(opened, { model, compiled, evaluation, weights, options }, x, y)
    const { training, validation } = opened as Opened
    const { training: tracker } = compiled
    const runner = new Runner(training, {
      where: 'fit',
      kind: 'Train',
      callbacks: list,
      signal,
      device: () => model.device,
      read: () => tracker.read(),
      shouldStop: () => model.stopTraining
    })
    const steps = stepsPerEpoch ?? training.steps
    await list.start({ epochs, steps })
    await list.begin('Train')
    let logs: Logs = {}
    for (let epoch = initialEpoch; epoch < epochs && !model.stopTraining; epoch++) {
      tracker.reset()
      await list.epochBegin(epoch)
      const ran = await runner.run(stepsPerEpoch)
      if (steps === undefined) await list.setParams({ epochs, steps: ran })
      logs = await tracker.read()
      if (validation !== undefined && isDue(options.validationFreq, epoch)) {
        const validated = await runEvaluation(model, evaluation, validation, list, options.validationSteps, signal)
        for (const [key, value] of Object.entries(validated)) logs[`val_${key}`] = value
      }
      await list.epochEnd(epoch, logs)
    }
    compiled.optimizer.finalizeVariableValues(model.trainableVariables)
    await list.end('Train', logs)
    return record
  } finally {
    opened.training?.close()
    opened.validation?.close()
    compiled.giveBack(evaluation)
    weights?.dispose()
  }
}

function checkFitOptions(given: FitOptions) {
  const options = checkOptions('fit', given, fitOptions)
  const { epochs = 1, batchSize = 32, shuffle = true, callbacks = [], verbose = 'auto', initialEpoch = 0, validationFreq = 1 } = options
  const { stepsPerEpoch, validationSteps, validationBatchSize = batchSize, validationSplit = 0 } = options
  numberOption('fit', 'epochs', epochs, { integer: true, min: 0 })
  numberOption('fit', 'initialEpoch', initialEpoch, { integer: true, min: 0 })
  numberOption('fit', 'batchSize', batchSize, { integer: true, min: 1 })
  numberOption('fit', 'validationBatchSize', validationBatchSize, { integer: true, min: 1 })
  booleanOption('fit', 'shuffle', shuffle)
  for (const [name, value] of Object.entries({ stepsPerEpoch, validationSteps })) {
    if (value !== undefined) numberOption('fit', name, value, { integer: true, min: 1 })
  }
  for (const [i, epoch] of (Array.isArray(validationFreq) ? validationFreq : []).entries()) {
    numberOption('fit', `validationFreq[${i}]`, epoch, { integer: true, min: 1 })
  }
  if (!Array.isArray(validationFreq)) numberOption('fit', 'validationFreq', validationFreq, { integer: true, min: 1 })
  return { ...options, epochs, batchSize, shuffle, callbacks, verbose, initialEpoch, validationFreq, validationBatchSize, validationSplit }
}

type CheckedOptions = ReturnType<typeof checkFitOptions>

/** Whether to validate after an epoch, which is counted from 0 here. */
function isDue(frequency: number | readonly number[], epoch: number): boolean {
  return typeof frequency === 'number' ? (epoch + 1) % frequency === 0 : frequency.includes(epoch + 1)
}

/** What the sources of a fit are made with. */
interface Context {
  model: AnyModel
  compiled: Compiled
  evaluation: Evaluation
  weights: ClassWeights | undefined
  options: CheckedOptions
}

/** Opens training and validation data; what is open already when something fails is in `opened`. */
async function open(opened: Partial<Opened>, context: Context, x: ModelValues | Batches, y: ModelValues | undefined): Promise<void> {
  const { model, options, evaluation } = context
  const { sampleWeight, validationData } = options
  if (isBatches(x)) {
    for (const name of ['validationSplit', 'sampleWeight'] as const) {
      if (options[name]) throw failure(ArgumentError, 'fit', `expected no ${name} with batches: ${hints[name]}`)
    }
    opened.training = new StreamSource(new ItemStream(x, model.dataShapes('fit')), streamStep(context))
  } else await openData(opened, context, checkData(model.dataShapes('fit'), { x, y, sampleWeight }))
  if (validationData === undefined) return
  const shapes = model.dataShapes('fit, validationData')
  if (isBatches(validationData)) {
    opened.validation = new StreamSource(new ItemStream(validationData, shapes), (batch) => evaluation.test(batch))
    return
  }
  const data = checkData(shapes, splitItem(shapes.where, validationData, true) as BatchRecord)
  opened.validation = validationSource(context, data, await uploadData(data), 0, data.samples)
}

const hints = { validationSplit: 'give validationData', sampleWeight: 'a batch brings its own' }

async function openData(opened: Partial<Opened>, context: Context, data: CheckedData): Promise<void> {
  const { model, compiled, weights } = context
  const { batchSize, shuffle, validationData, validationSplit } = context.options
  const count = validationData === undefined ? trainingCount(data.samples, validationSplit) : data.samples
  const orders = shuffle ? shuffledOrders(count, model.shuffleState) : ordered(0, count)
  const resident = await uploadData(data)
  if (count < data.samples) opened.validation = validationSource(context, data, resident, count, data.samples - count)
  if (resident === undefined) {
    const stream = new HostStream(data, count, batchSize, async () => {
      const order = await orders.draw()
      orders.commit()
      return order
    })
    opened.training = new StreamSource(stream, streamStep(context))
    return
  }
  const { xs, ys, owned } = resident
  compiled.prepare(xs.map(({ shape }) => shape))
  const byClass = weights?.of(ys)
  const training = byClass === undefined ? resident : { ...resident, sampleWeights: [byClass], owned: [...owned, byClass] }
  opened.training = new ResidentSource(training, count, batchSize, orders, (batch) => compiled.trainStep(batch))
}

/** Steps of evaluation on the samples [first, first + count), on the device if the data are there. */
function validationSource(
  { evaluation, options }: Context,
  data: CheckedData,
  resident: ResidentData | undefined,
  first: number,
  count: number
): StepSource {
  const { validationBatchSize } = options
  if (resident !== undefined) {
    return new ResidentSource(resident, count, validationBatchSize, ordered(first, count), (batch) => evaluation.step(batch))
  }
  const stream = new HostStream(data, count, validationBatchSize, async () => inOrder(first, count))
  return new StreamSource(stream, (batch) => evaluation.test(batch))
}

function ordered(first: number, count: number): OrderSource {
  return { draw: async () => inOrder(first, count), commit: () => {} }
}

/** A step of training on a batch that is passed in. */
function streamStep({ compiled, weights }: Context): (batch: StreamedBatch) => void {
  if (weights === undefined) return (batch) => compiled.train(batch)
  return (batch) => {
    if (batch.sampleWeights.length > 0) throw failure(ArgumentError, 'fit', 'expected classWeight or sampleWeight, received both')
    const byClass = weights.of(batch.ys)
    compiled.train({ ...batch, sampleWeights: [byClass] })
    byClass.dispose()
  }
}
