// Work whose failures belong to one promise: what fit, evaluate and predict submit.
import { native } from './addon'
import { deviceNumber } from './device'
import { fromNative } from './errors'
import { forEachTensor } from './scope'

/** Something that is submitted in parts; failures of these parts are told by `finished` and nowhere else. */
export class Work {
  private readonly run = native.beginRun()

  /** Runs `fn`, which submits a part. */
  submit<T>(fn: () => T): T {
    native.setRun(this.run)
    try {
      return fn()
    } finally {
      native.setRun(0)
    }
  }

  /** Resolves when everything submitted so far has run on the device; rejects with the first failure of this work that it has not told yet. */
  async finished(device: string): Promise<void> {
    try {
      const pending = native.synchronize(deviceNumber(device, 'synchronize'), this.run)
      if (pending !== undefined) await pending
    } catch (error) {
      throw fromNative(error, 'synchronize')
    }
  }

  /** Says that nobody will ask any more. */
  end(): void {
    native.endRun(this.run)
  }
}

/**
 * What `fn` returns when all that it submits has run.
 * @throws the first failure of it, after the tensors in the returned value have been disposed of
 */
export async function completed<T>(device: () => string, fn: () => T): Promise<T> {
  const work = new Work()
  try {
    const result = work.submit(fn)
    try {
      await work.finished(device())
    } catch (error) {
      forEachTensor(result, (tensor) => tensor.dispose())
      throw error
    }
    return result
  } finally {
    work.end()
  }
}
