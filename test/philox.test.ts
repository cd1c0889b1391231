// Philox on the host against its definition in 64-bit arithmetic.
import { philox } from '../lib/philox'

test.each([
  [0, 0, 0, 0],
  [1, 2, 3, 4],
  [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
  [0x243f6a88, 0x85a308d3, 0xa4093822, 0x299f31d0]
])('philox of counter (%i, %i) and key (%i, %i)', (c0, c1, k0, k1) => {
  const out = new Uint32Array(4)
  philox(out, c0, c1, [k0, k1])
  expect([...out]).toEqual(reference(c0, c1, k0, k1))
})

function reference(c0: number, c1: number, k0: number, k1: number): number[] {
  const mask = 0xffffffffn
  let x = [BigInt(c0), BigInt(c1), 1n, 0n] as [bigint, bigint, bigint, bigint]
  let key = [BigInt(k0), BigInt(k1)] as [bigint, bigint]
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * x[0]
    const p1 = 0xcd9e8d57n * x[2]
    x = [(p1 >> 32n) ^ x[1] ^ key[0], p1 & mask, (p0 >> 32n) ^ x[3] ^ key[1], p0 & mask]
    key = [(key[0] + 0x9e3779b9n) & mask, (key[1] + 0xbb67ae85n) & mask]
  }
  return x.map(Number)
}
