// While a file is loaded, its architecture may not make more weights than the file has: a lie in it costs no memory.
import { FormatError } from '../errors'

let left = Number.POSITIVE_INFINITY

/** Runs `fn`, in which weights of no more than `bytes` altogether may be made. */
export function withWeightBudget<T>(bytes: number, fn: () => T): T {
  const outer = left
  left = bytes
  try {
    return fn()
  } finally {
    left = outer
  }
}

/** Called before a weight is made. @throws FormatError if the file that is being loaded cannot have it */
export function spendWeight(name: string, shape: readonly number[], bytesPerElement: number): void {
  const bytes = shape.reduce((product, size) => product * size, bytesPerElement)
  if (bytes > left) throw new FormatError(`the architecture needs more weights than the file has: ${name} of shape [${shape.join(', ')}]`)
  left -= bytes
}
