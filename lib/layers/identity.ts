// A layer that changes nothing: a placeholder in models that are put together by a program.
import type { Tensor } from '../tensor'
import { Layer } from './layer'

/** x. */
export class Identity extends Layer {
  override call(x: Tensor): Tensor {
    return x
  }
}
