// The addon of this environment, and the buffer through which numbers cross to it.
import { load } from './load'
import type { Native } from './native'

/** The native addon. */
export const native: Native = load().native

/**
 * The buffer, one for each instance of the addon: contexts of one environment (jest's, say) share the addon, so they share this too.
 */
export const shared: { buffer: Float64Array } = ownerOf(native)

function ownerOf(addon: Native & { shared?: { buffer: Float64Array } }): { buffer: Float64Array } {
  if (addon.shared === undefined) {
    addon.shared = { buffer: new Float64Array(4096) }
    addon.setBuffer(addon.shared.buffer)
  }
  return addon.shared
}

/** The buffer with room for `length` numbers: arguments of the next native call, then its results, until the call after it. */
export function reserve(length: number): Float64Array {
  if (length > shared.buffer.length) {
    shared.buffer = new Float64Array(Math.max(length, 2 * shared.buffer.length))
    native.setBuffer(shared.buffer)
  }
  return shared.buffer
}
