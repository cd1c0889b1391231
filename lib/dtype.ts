// Conversion where it is needed: ops.cast always gives a new tensor, which costs a copy when the dtype is the same.
import type { DType } from './native'
import { cast } from './ops'
import type { Tensor } from './tensor'

/** The tensor itself if it has this dtype, else a conversion. */
export function inDType(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : cast(x, dtype)
}
