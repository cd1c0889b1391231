// Random numbers of the host's own, the same in every run (xorshift, Marsaglia 2003).
let state = 2463534242

/** A number in [0, 1), or [low, high). */
export function uniform(low = 0, high = 1): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return low + ((high - low) * (state >>> 0)) / 2 ** 32
}
