// Waits for a tensor without reading it as a whole.
import { slice } from '../ops'
import type { Tensor } from '../tensor'

/** Resolves when a tensor has been computed, by a read of its first element; rejects if that failed. */
export async function fence(tensor: Tensor): Promise<void> {
  if (tensor.size === 0) return
  const starts = tensor.shape.map(() => 0)
  const first = slice(
    tensor,
    starts,
    starts.map(() => 1)
  )
  try {
    await first.data()
  } finally {
    first.dispose()
  }
}
