// How layers that follow each other become one op: the parts that they can take in it.
import type { FusedActivation } from '../ops/fused'
import type { Moments } from '../ops/normalization'
import type { PoolOptions } from '../ops/pool'
import type { Tensor } from '../tensor'
import type { BatchNormalization } from './batch-normalization'

/** What an op does to its result besides what its own layer says, in this order. */
export interface Epilogue {
  /** Outside of training: the normalisation that follows a product, folded into its weights. */
  normalization?: BatchNormalization | undefined
  /** In training: what a normalisation normalises with, where the product in front of it took the moments of its result. */
  moments?: Moments | undefined
  /** Added to the result. */
  residual?: Tensor | undefined
  /** Default: the layer's own. */
  activation?: FusedActivation | undefined
  /** The windows whose maxima are taken of the result, and the layer that asks for them. */
  pool?: (PoolOptions & { layer: string }) | undefined
}

/** The part that a layer can take in an op of several layers. */
export type FusedPart =
  /**
   * A matrix product or convolution with its channels last. It may have any activation if its own is none. Where it is a `conv`, it may also
   * have the maxima of windows, or a residual if its own activation is none.
   */
  | { readonly kind: 'product'; readonly activation: FusedActivation; readonly conv: boolean }
  /** Batch normalisation of the last axis. It may have a residual and relu. */
  | { readonly kind: 'normalization' }
  /** A sum of its inputs. */
  | { readonly kind: 'sum' }
  | { readonly kind: 'activation'; readonly activation: FusedActivation }
  /** The maxima of windows. */
  | { readonly kind: 'pool'; readonly pool: PoolOptions }

export function activationPart(activation: FusedActivation | undefined): FusedPart | undefined {
  return activation === undefined || activation === 'none' ? undefined : { kind: 'activation', activation }
}
