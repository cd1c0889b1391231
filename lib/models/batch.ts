// trainOnBatch and testOnBatch: one step on one batch.
import { checkOptions, type NamesOf } from '../arguments'
import type { Logs } from '../callbacks/callback'
import { type ClassWeight, ClassWeights } from '../data/class-weights'
import { makeBatch } from '../data/streams'
import type { ModelValues } from '../data/values'
import { completed } from '../work'
import type { Compiled } from './compiled'
import type { AnyModel } from './model'

export interface BatchOptions {
  /** A weight for each sample: for all outputs, or an array or record with one for each output. */
  sampleWeight?: ModelValues | undefined
  /** A weight for each class; those that are not named weigh 1. */
  classWeight?: ClassWeight | undefined
}

const batchOptions: NamesOf<BatchOptions> = { sampleWeight: 'optional', classWeight: 'optional' }

/** One step of training; loss and metrics of this batch alone. */
export async function trainOnBatch(
  model: AnyModel,
  compiled: Compiled,
  x: ModelValues,
  y: ModelValues,
  options: BatchOptions
): Promise<Logs> {
  const { sampleWeight, classWeight } = checkOptions('trainOnBatch', options, batchOptions)
  const batch = makeBatch(model.dataShapes('trainOnBatch'), { x, y, sampleWeight })
  const owned = [...batch.owned]
  let weights: ClassWeights | undefined
  try {
    weights = ClassWeights.from('trainOnBatch', classWeight, sampleWeight !== undefined, model.device)
    const trained = completed(
      () => model.device,
      () => {
        compiled.training.reset()
        const byClass = weights?.of(batch.ys)
        if (byClass !== undefined) owned.push(byClass)
        compiled.train(byClass === undefined ? batch : { ...batch, sampleWeights: [byClass] })
      }
    )
    const [logs] = await Promise.all([compiled.training.read(), trained])
    return logs
  } finally {
    weights?.dispose()
    for (const tensor of owned) tensor.dispose()
  }
}

/** Loss and metrics of one batch. */
export async function testOnBatch(
  model: AnyModel,
  compiled: Compiled,
  x: ModelValues,
  y: ModelValues,
  options: { sampleWeight?: ModelValues | undefined }
): Promise<Logs> {
  const { sampleWeight } = checkOptions('testOnBatch', options, { sampleWeight: 'optional' })
  const batch = makeBatch(model.dataShapes('testOnBatch'), { x, y, sampleWeight })
  const evaluation = compiled.takeEvaluation()
  try {
    const tested = completed(
      () => model.device,
      () => {
        evaluation.tracker.reset()
        evaluation.test(batch)
      }
    )
    const [logs] = await Promise.all([evaluation.tracker.read(), tested])
    return logs
  } finally {
    compiled.giveBack(evaluation)
    for (const tensor of batch.owned) tensor.dispose()
  }
}
