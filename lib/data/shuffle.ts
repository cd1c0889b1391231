// The order of samples in an epoch: Fisher–Yates with Philox4x32-10, a pure function of a model's key and the number of the epoch.
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
 * Step i of Fisher–Yates takes word i mod 4 of the block with counter (i / 4, draw, 0, 0).
 */
export async function shuffled(first: number, count: number, key: readonly [number, number], draw: number): Promise<Int32Array> {
  const order = inOrder(first, count)
  const words = new Uint32Array(4)
  for (let i = 0; i < count - 1; i++) {
    if (i % 4 === 0) philox(words, i / 4, draw, key[0], key[1])
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

/** One block of Philox4x32-10 (Salmon et al. 2011) with counter (c0, c1, 0, 0), as native/philox.h. */
export function philox(out: Uint32Array, c0: number, c1: number, k0: number, k1: number): void {
  let [x0, x1, x2, x3] = [c0 >>> 0, c1 >>> 0, 0, 0]
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, x0)
    const high1 = multiplyHigh(0xcd9e8d57, x2)
    const low0 = Math.imul(0xd2511f53, x0)
    const low1 = Math.imul(0xcd9e8d57, x2)
    x0 = (high1 ^ x1 ^ k0) >>> 0
    x1 = low1 >>> 0
    x2 = (high0 ^ x3 ^ k1) >>> 0
    x3 = low0 >>> 0
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  out[0] = x0
  out[1] = x1
  out[2] = x2
  out[3] = x3
}

/** The upper 32 bits of a product of two uint32, from halves of 16 bits. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = a1 * b0 + ((a0 * b0) >>> 16)
  const carry = (middle & 0xffff) + a0 * b1
  return a1 * b1 + (middle >>> 16) + (carry >>> 16)
}
