// Garbage of earlier tests must not be finalized in the middle of one that counts tensors.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

/** Resolves when the garbage that there is has been collected and its finalizers have run. */
export async function collected(): Promise<void> {
  gc()
  await new Promise((resolve) => setTimeout(resolve, 20))
}
