// Opens data for a run: on the device if they fit, else as a stream from the host.

import { inOrder } from '../data/shuffle'
import { type BatchStream, HostStream, SliceStream } from '../data/streams'
import { uploadData } from '../data/upload'
import type { CheckedData } from '../data/values'

/** Batches of the samples [first, first + count) in their order. */
export async function openStream(data: CheckedData, first: number, count: number, batchSize: number): Promise<BatchStream> {
  const resident = await uploadData(data)
  if (resident !== undefined) return new SliceStream(resident, first, count, batchSize)
  return new HostStream(data, count, batchSize, async () => inOrder(first, count))
}
