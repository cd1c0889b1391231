// Philox4x32-10 on the host.

/**
 * One block of Philox4x32-10 (Salmon et al. 2011) with counter (c0, c1, 1, 0), as native/philox.h: there the third word is 0, so that
 * draws on the host are apart from those on the device.
 */
export function philox(out: Uint32Array, c0: number, c1: number, [low, high]: readonly [low: number, high: number]): void {
  let [x0, x1, x2, x3] = [c0 >>> 0, c1 >>> 0, 1, 0]
  let [k0, k1] = [low, high]
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
