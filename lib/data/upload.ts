// Puts data on the device: what fits, as a whole and in slices that leave the event loop its turns.
import { deviceNumber, devices, memoryOf } from '../device'
import { OutOfMemoryError } from '../errors'
import { type NestedArray, type TypedArray, typedArrayKind } from '../host-values'
import { concat } from '../ops'
import { Tensor, tensor } from '../tensor'
import { breathe } from './event-loop'
import { fence } from './fence'
import type { CheckedData, CheckedValues } from './values'

// Elements that are copied in some 5 ms: at memory speed if they are as the device wants them, else one by one.
const sliceAsIs = 1 << 20
const sliceConverted = 1 << 18
const asIs = new Set(['Float32Array', 'Int32Array', 'Uint8Array', 'Uint8ClampedArray'])

/** Data on the device. */
export interface ResidentData {
  samples: number
  xs: readonly Tensor[]
  ys: readonly Tensor[]
  /** None, one for all targets, or one for each. */
  sampleWeights: readonly Tensor[]
  /** The tensors that were made here, which the holder disposes of. */
  owned: readonly Tensor[]
}

/** Share of the device's memory that training data may take. */
const share = 0.5

/** Uploads all data, or returns undefined if they are too large to be kept on the device. */
export async function uploadData(data: CheckedData): Promise<ResidentData | undefined> {
  const all = [...data.xs, ...data.ys, ...data.sampleWeights]
  const bytes = all.reduce((sum, one) => sum + bytesToUpload(one), 0)
  if (bytes > residentLimit(data.device)) return undefined
  // All begin at once, so that data of one slice are copied before the caller goes on.
  const uploads = await Promise.allSettled(all.map((one) => (one.values instanceof Tensor ? one.values : uploadRows(one, data.device))))
  const owned = uploads.flatMap((upload, i) => (upload.status === 'fulfilled' && upload.value !== all[i]!.values ? [upload.value] : []))
  const failed = uploads.find((upload) => upload.status === 'rejected')
  if (failed !== undefined) {
    for (const tensor of owned) tensor.dispose()
    // The estimate was too hopeful: the data can still be streamed.
    if (failed.reason instanceof OutOfMemoryError) return undefined
    throw failed.reason
  }
  const tensors = uploads.map((upload) => (upload as PromiseFulfilledResult<Tensor>).value)
  const targets = data.xs.length + data.ys.length
  return {
    samples: data.samples,
    xs: tensors.slice(0, data.xs.length),
    ys: tensors.slice(data.xs.length, targets),
    sampleWeights: tensors.slice(targets),
    owned
  }
}

let limit: number | undefined

/** @internal Sets how many bytes of data may be kept on the device, for tests; undefined: a share of its memory. */
export function setResidentLimit(bytes: number | undefined): void {
  limit = bytes
}

function residentLimit(device: string): number {
  if (limit !== undefined) return limit
  const number = deviceNumber(device, 'fit')
  return share * devices()[number]!.memory - memoryOf(number).bytes
}

function bytesToUpload({ values, shape }: CheckedValues): number {
  if (values instanceof Tensor) return 0
  const kind = typedArrayKind(values)
  const bytes = kind === 'Uint8Array' || kind === 'Uint8ClampedArray' ? 1 : 4
  return shape.reduce((a, b) => a * b, bytes)
}

/** Uploads values of any form, a slice of samples at a time. */
async function uploadRows({ values, shape }: CheckedValues, device: string): Promise<Tensor> {
  const [samples, ...row] = shape as [number, ...number[]]
  const size = row.reduce((a, b) => a * b, 1)
  const kind = typedArrayKind(values)
  const slice = Math.max(1, Math.floor((kind !== undefined && asIs.has(kind) ? sliceAsIs : sliceConverted) / Math.max(1, size)))
  const part = (from: number, to: number): Tensor =>
    kind === undefined
      ? tensor((values as readonly NestedArray[]).slice(from, to), row.length === 0 ? [to - from] : undefined, { device })
      : tensor((values as TypedArray).subarray(from * size, to * size), [to - from, ...row], { device })
  if (slice >= samples) return part(0, samples)
  const parts: Tensor[] = []
  try {
    for (let from = 0; from < samples; from += slice) {
      parts.push(part(from, Math.min(samples, from + slice)))
      // Staged bytes are few at any time, so that no upload has to wait for the device.
      await fence(parts.at(-1)!)
      await breathe()
    }
    return concat(parts, 0)
  } finally {
    for (const tensor of parts) tensor.dispose()
  }
}
