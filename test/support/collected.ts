// Garbage of earlier tests must not be finalized in the middle of one that counts tensors.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

let finalized = 0
const registry = new FinalizationRegistry<undefined>(() => finalized++)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
/** Makes garbage, in a frame of its own: that of a function that waits keeps what its registers have last held. */
const drop = (): void => registry.register({}, undefined)

/** Resolves when the garbage that there is has been collected and its finalizers have run. */
export async function collected(): Promise<void> {
  const before = finalized
  // V8 promises no finalizer: where it runs none, a test is not to wait for ever.
  for (let attempt = 0; attempt < 20 && finalized === before; attempt++) {
    drop()
    gc()
    for (let i = 0; i < 10 && finalized === before; i++) await turn()
  }
  // Finalizers run registry by registry, each in a task of its own: those of the others that the same collection has woken follow at once.
  for (let i = 0; i < 10; i++) await turn()
}
