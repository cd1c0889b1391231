// Flattens everything but the batch.
import * as ops from '../ops'
import type { Tensor } from '../tensor'
import { Layer } from './layer'

/** (B, …) → (B, product of the rest); (B) → (B, 1). */
export class Flatten extends Layer {
  override call(x: Tensor): Tensor {
    const [batch, ...rest] = x.shape
    return ops.reshape(x, [batch!, rest.reduce((size, n) => size * n, 1)])
  }
}
