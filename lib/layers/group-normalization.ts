// Group normalisation, and instance normalisation as its extreme.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError, failure, ShapeError } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { AffineLayer, type AffineLayerOptions, affineLayerOptions } from './affine'
import { misfitAlong, sizesAlong } from './axes'
import type { PartialShape } from './options'

export interface GroupNormalizationOptions extends AffineLayerOptions {
  /** Number of groups, or −1: each channel is one (instance normalisation). Default 32. */
  groups?: number | undefined
  /** The axis of the channels. Default −1; any other costs a transposition each way. */
  axis?: number | undefined
}

/**
 * (x − mean) / √(variance + epsilon) · gamma + beta, with the statistics of each sample over the places and channels of a group: the shape
 * stays. Weights: gamma and beta (C). Wu and He, 2018.
 */
export class GroupNormalization extends AffineLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<GroupNormalizationOptions> = { ...affineLayerOptions, groups: 'optional', axis: 'optional' }
  readonly groups: number
  readonly axis: number

  constructor(options: GroupNormalizationOptions = {}) {
    super(options)
    this.groups = numberOption(this.kind, 'groups', options.groups ?? 32, { integer: true, min: -1 })
    if (this.groups === 0) throw failure(ArgumentError, this.kind, 'expected groups to be a positive integer or -1, received 0')
    this.axis = numberOption(this.kind, 'axis', options.axis ?? -1, { integer: true })
  }

  override build(shape: PartialShape): void {
    const channels = sizesAlong(this.kind, shape, this.axis)
    if (this.groups !== -1 && channels[0]! % this.groups !== 0) {
      throw this.failure(ShapeError, `expected channels that ${this.groups} groups divide, received ${channels[0]}`)
    }
    this.addAffine(channels)
  }

  protected override checkInput(shape: PartialShape): void {
    const weight = this.gamma ?? this.beta
    const wrong = weight && misfitAlong(this.kind, shape, this.axis, weight.shape)
    if (wrong) throw this.failure(ShapeError, wrong)
  }

  override call(x: Tensor): Tensor {
    const last = this.axis === -1 || this.axis === x.rank - 1
    if (last) return this.normalize(x)
    return ops.moveaxis(this.normalize(ops.moveaxis(x, this.axis, -1)), -1, this.axis)
  }

  private normalize(x: Tensor): Tensor {
    const { gamma, beta, epsilon } = this
    return ops.groupNorm(x, this.groups === -1 ? x.shape.at(-1)! : this.groups, { gamma, beta, epsilon })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), groups: this.groups, axis: this.axis }
  }
}
