// Arrays of golden files as tensors, and the comparison of tensors with them.
import { type DType, type Tensor, tensor } from '../../lib'

/** An array as the scripts in test/goldens write it; numbers that JSON does not have are strings. */
export interface GoldenArray {
  shape: number[]
  values: (number | string)[]
}

export function fromGolden({ shape, values }: GoldenArray, dtype: DType = 'float32'): Tensor {
  return tensor(values.map(Number), shape, { dtype })
}

/** Fails with what was compared, the first bad index, and both numbers. The tolerance is absolute and relative. */
export async function expectClose(received: Tensor, golden: GoldenArray, what: string, tolerance = 1e-5): Promise<void> {
  if (String(received.shape) !== String(golden.shape)) {
    throw new Error(`${what}: expected shape [${golden.shape}], received [${received.shape}]`)
  }
  expectCloseNumbers(await received.data(), golden.values.map(Number), what, tolerance)
}

export function expectCloseNumbers(received: ArrayLike<number>, expected: readonly number[], what: string, tolerance = 1e-5): void {
  if (received.length !== expected.length) throw new Error(`${what}: expected ${expected.length} numbers, received ${received.length}`)
  expected.forEach((e, i) => {
    const r = received[i]!
    const close = Object.is(r, e) || Math.abs(r - e) <= tolerance * Math.max(1, Math.abs(e))
    if (!close) throw new Error(`${what}: at index ${i} expected ${e}, received ${r}`)
  })
}
