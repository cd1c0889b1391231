// Hinge losses, for targets −1 and 1 (0 and 1 are taken for them) or one-hot rows. Formulas as in Keras 3.
import * as ops from '../ops'
import type { Tensor } from '../tensor'
import { Loss } from './loss'
import { matched } from './shapes'

/** mean over the last axis of max(1 − y p, 0). */
export class Hinge extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return ops.mean(margin(this.name, yTrue, yPred), -1)
  }
}

/** mean over the last axis of max(1 − y p, 0)². */
export class SquaredHinge extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    return ops.mean(ops.square(margin(this.name, yTrue, yPred)), -1)
  }
}

/** max(max((1 − y) p) − Σ y p + 1, 0) over the last axis; y is one-hot. */
export class CategoricalHinge extends Loss {
  override values(yTrue: Tensor, yPred: Tensor): Tensor {
    const [t, p] = matched(this.name, yTrue, yPred)
    const right = ops.sum(ops.mul(t, p), -1)
    const wrong = ops.max(ops.mul(ops.sub(1, t), p), -1)
    return ops.maximum(ops.add(ops.sub(wrong, right), 1), 0)
  }
}

/** max(1 − y p, 0), where y becomes 2y − 1 if all targets are 0 or 1. */
function margin(owner: string, yTrue: Tensor, yPred: Tensor): Tensor {
  const [t, p] = matched(owner, yTrue, yPred)
  const binary = ops.all(ops.logicalOr(ops.equal(t, 0), ops.equal(t, 1)))
  const signs = ops.where(binary, ops.sub(ops.mul(t, 2), 1), t)
  return ops.maximum(ops.sub(1, ops.mul(signs, p)), 0)
}
