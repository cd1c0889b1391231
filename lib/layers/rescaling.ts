// Scales and shifts its input: bytes of an image to [0, 1], say.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import * as ops from '../ops'
import type { Config } from '../serialization'
import { type Tensor, tensor } from '../tensor'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

/** One number, or one for each channel. */
type PerChannel = number | readonly number[]

export interface RescalingOptions extends LayerOptions {
  /** A number, or one for each channel. */
  scale: PerChannel
  /** Default 0. */
  offset?: PerChannel | undefined
}

/** x · scale + offset. Takes integers (images as bytes) and gives the dtype that the layer computes in. */
export class Rescaling extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<RescalingOptions> = { ...layerOptions, scale: 'required', offset: 'optional' }
  readonly scale: PerChannel
  readonly offset: PerChannel

  constructor(options: RescalingOptions) {
    super(options)
    this.scale = perChannel('scale', options.scale)
    this.offset = perChannel('offset', options.offset ?? 0)
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    const scaled = ops.mul(x, this.operand(this.scale))
    return this.offset === 0 ? scaled : ops.add(scaled, this.operand(this.offset))
  }

  private operand(value: PerChannel): Tensor | number {
    return typeof value === 'number' ? value : tensor([...value], undefined, { dtype: this.computeDType })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), scale: this.scale, offset: this.offset }
  }
}

function perChannel(name: string, value: unknown): PerChannel {
  if (!Array.isArray(value)) return numberOption('rescaling', name, value)
  if (value.length === 0)
    throw failure(ArgumentError, 'rescaling', `expected ${name} to be a number or a list of numbers, received ${show(value)}`)
  return value.map((v) => numberOption('rescaling', name, v))
}
