// Class weights: a weight for each sample, by its target's class.
import { ArgumentError, failure, show } from '../errors'
import * as ops from '../ops'
import { scope } from '../scope'
import { type Tensor, tensor } from '../tensor'

/** Weights by class number; a class that is not named weighs 1. */
export type ClassWeight = Readonly<Record<number, number>>

// Labels are compared as float32, which holds every integer up to here.
const largestClass = 2 ** 24

/** Turns targets into sample weights, on the device. */
export class ClassWeights {
  /** float32 [classes + 1]: the last one, 1, is for all other classes. */
  private readonly table: Tensor

  /** @throws ArgumentError for keys that are no class numbers or weights that are no numbers */
  private constructor(
    private readonly where: string,
    weights: ClassWeight,
    device: string
  ) {
    const classes = Object.keys(weights).map(Number)
    for (const c of classes) {
      if (!Number.isInteger(c) || c < 0 || c > largestClass) {
        throw failure(ArgumentError, where, `expected classWeight by class numbers from 0 to ${largestClass}, received the key ${c}`)
      }
      if (!Number.isFinite(weights[c]))
        throw failure(ArgumentError, where, `expected classWeight[${c}] to be a number, received ${weights[c]}`)
    }
    const values = new Float32Array(Math.max(-1, ...classes) + 2).fill(1)
    for (const c of classes) values[c] = weights[c]!
    this.table = tensor(values, undefined, { device })
  }

  /**
   * The table, if class weights were given.
   * @throws ArgumentError together with sample weights
   */
  static from(where: string, weights: ClassWeight | undefined, hasSampleWeight: boolean, device: string): ClassWeights | undefined {
    if (weights === undefined) return undefined
    if (typeof weights !== 'object' || weights === null) {
      throw failure(ArgumentError, where, `expected classWeight to be a record of weights by class number, received ${show(weights)}`)
    }
    if (hasSampleWeight) throw failure(ArgumentError, where, 'expected classWeight or sampleWeight, received both')
    return new ClassWeights(where, weights, device)
  }

  /** The weights of samples with targets `y`: (B) class numbers, (B, 1), or (B, …, C) of which the largest counts. */
  of(targets: readonly Tensor[]): Tensor {
    const [y] = targets
    if (targets.length !== 1) {
      throw failure(ArgumentError, this.where, `expected classWeight for a model of one target, received ${targets.length} targets`)
    }
    return scope(() => {
      const labels = ops.cast(y!.rank <= 1 ? y! : y!.shape.at(-1) === 1 ? ops.squeeze(y!, -1) : ops.argmax(y!, -1), 'float32')
      const others = this.table.size - 1
      const rounded = ops.round(labels)
      const known = ops.logicalAnd(ops.greaterEqual(rounded, 0), ops.less(rounded, others))
      const index = ops.where(known, rounded, ops.fullLike(rounded, others))
      return ops.gather(this.table, ops.cast(index, 'int32'))
    })
  }

  dispose(): void {
    this.table.dispose()
  }
}
