// The addon of this environment, and the buffer through which numbers cross to it.
import { load } from './load'
import type { Native } from './native'

/** The native addon. */
export const native: Native = load().native

/** Arguments of the next native call; results come back in it. Valid until the next native call. */
export let buffer = new Float64Array(4096)
native.setBuffer(buffer)

/** Makes room for `length` numbers. */
export function reserve(length: number): void {
  if (length <= buffer.length) return
  buffer = new Float64Array(Math.max(length, 2 * buffer.length))
  native.setBuffer(buffer)
}
