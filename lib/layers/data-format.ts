// Where the channels are: tensors have them last; layers also take them first, as images of other libraries have them.
import { choice } from '../arguments'
import * as ops from '../ops'
import type { Tensor } from '../tensor'

/** `channelsLast`: (B, spatial…, C); `channelsFirst`: (B, C, spatial…), which costs a transposition each way. */
export type DataFormat = 'channelsLast' | 'channelsFirst'

/** @throws ArgumentError for another word */
export function dataFormatOption(owner: string, value: unknown): DataFormat {
  return choice(owner, 'dataFormat', value ?? 'channelsLast', ['channelsLast', 'channelsFirst'])
}

/** f of x with the channels last, its result in x's format. */
export function withChannelsLast(x: Tensor, format: DataFormat, f: (x: Tensor) => Tensor): Tensor {
  return format === 'channelsLast' ? f(x) : ops.moveaxis(f(ops.moveaxis(x, 1, -1)), -1, 1)
}
