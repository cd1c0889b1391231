// The order of samples in an epoch: Fisher–Yates with Philox4x32-10, a pure function of a model's key and the number of the epoch.
import { philox } from '../philox'
import { breathe } from './event-loop'

/** The state of a model's shuffling: saved with it, so that a training that goes on later sees the same orders. */
export interface ShuffleState {
  /** Philox key, two uint32. */
  key: readonly [number, number]
  /** How many orders have been drawn. */
  drawn: number
}

// Swaps between two looks at the event loop: about 5 ms.
const slice = 1 << 16

/**
 * The first `count` indices, beginning at `first`, in the order that shuffle number `draw` of `key` gives.
 * Step i of Fisher–Yates takes word i mod 4 of the block with counter (i / 4, draw, 1, 0).
 */
export async function shuffled(first: number, count: number, key: readonly [number, number], draw: number): Promise<Int32Array> {
  const order = inOrder(first, count)
  const words = new Uint32Array(4)
  for (let i = 0; i < count - 1; i++) {
    if (i % 4 === 0) philox(words, i / 4, draw, key)
    // A place from i to the end: the word, scaled to what is left.
    const j = i + Math.floor((words[i % 4]! / 2 ** 32) * (count - i))
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
    if ((i + 1) % slice === 0) await breathe()
  }
  return order
}

/** The indices first, first + 1, … */
export function inOrder(first: number, count: number): Int32Array {
  const order = new Int32Array(count)
  for (let i = 0; i < count; i++) order[i] = first + i
  return order
}
