// Settings of this environment: precision of matrix products, the dtype policy, and a version that captured programs are keyed by.

import { native } from './addon'
import { ArgumentError, failure, show } from './errors'

/** What float32 matrix products are computed with, from exact to fast. */
export type Precision = 'highest' | 'high' | 'medium'
/** `mixed_bfloat16` keeps weights in float32 and computes in bfloat16. */
export type Policy = 'float32' | 'mixed_bfloat16'

const precisions: readonly Precision[] = ['highest', 'high', 'medium']
const policies: readonly Policy[] = ['float32', 'mixed_bfloat16']

let precision: Precision | undefined
let policy: Policy = 'float32'
let version = 0

/**
 * Says what float32 matrix products are computed with: `highest` is float32 throughout; `high` is TF32 on GPUs and a three-term
 * bfloat16 split on CPUs with AMX; `medium` is bfloat16 with float32 sums. The default is `highest` on CPUs, `high` on GPUs. Convolutions of 3x3 may
 * take Winograd's form on CPUs, whose error is that of float32 relative to the largest of 16 neighbouring pixels.
 * @throws ArgumentError for another word
 */
export function setPrecision(value: Precision): void {
  if (!precisions.includes(value)) {
    throw failure(ArgumentError, 'setPrecision', `expected "highest", "high" or "medium", received ${show(value)}`)
  }
  precision = value
  raiseConfiguration()
}

/**
 * Sets the dtype policy of layers built from now on.
 * @throws ArgumentError for another word
 */
export function setPolicy(value: Policy): void {
  if (!policies.includes(value)) {
    throw failure(ArgumentError, 'setPolicy', `expected "float32" or "mixed_bfloat16", received ${show(value)}`)
  }
  policy = value
  raiseConfiguration()
}

/** The dtype policy in force. */
export function currentPolicy(): Policy {
  return policy
}

const deviceTypes: ('cpu' | 'cuda')[] = []

/** The precision on a device, as the number that crosses the boundary. */
export function precisionOn(device: number): number {
  if (precision !== undefined) return precisions.indexOf(precision)
  if (deviceTypes.length === 0) deviceTypes.push(...native.devices().map(({ type }) => type))
  return deviceTypes[device] === 'cuda' ? 1 : 0
}

/** A number that changes with every setting that a captured program depends on. */
export function configurationVersion(): number {
  return version
}

/** Says that such a setting has changed: programs recorded before are not replayed for calls from now on. */
export function raiseConfiguration(): void {
  version++
}
