// Padding layers: elements added at the borders of images, zeros or what the borders hold.
import { choice, type NamesOf } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import * as ops from '../ops'
import type { PadMode } from '../ops/movement'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import type { DataFormat } from './data-format'
import { type LayerOptions, layerOptions } from './options'
import { SpatialLayer } from './spatial-layer'

/**
 * How much at the borders. With one spatial axis: a number, or `[before, after]`; with several: a number, or for each axis a number or
 * `[before, after]`.
 */
export type Borders = number | readonly (number | readonly [before: number, after: number])[]
type Pair = readonly [before: number, after: number]

/** Before and after for each of `axes` axes. */
function bordersOption(owner: string, name: string, value: unknown, axes: number): readonly Pair[] {
  const list = typeof value === 'number' ? new Array<number>(axes).fill(value) : axes === 1 ? [value] : value
  const pairs: unknown[] = Array.isArray(list) ? list.map((one) => (typeof one === 'number' ? [one, one] : one)) : []
  if (pairs.length === axes && pairs.every(isPair)) return pairs
  const forms = axes === 1 ? 'an integer or [before, after]' : `an integer, or for each of ${axes} axes an integer or [before, after]`
  throw failure(ArgumentError, owner, `expected ${name} to be ${forms}, none negative, received ${show(value)}`)
}

function isPair(value: unknown): value is Pair {
  return Array.isArray(value) && value.length === 2 && value.every((n) => Number.isSafeInteger(n) && n >= 0)
}

/** A layer of borders on the spatial axes. Integers stay as they are. */
export abstract class BorderLayer extends SpatialLayer {
  /** Before and after for each spatial axis. */
  protected readonly pairs: readonly Pair[]

  constructor(
    options: LayerOptions & { dataFormat?: DataFormat | null | undefined },
    private readonly optionName: string,
    value: unknown,
    protected readonly axes: number
  ) {
    super(options)
    this.pairs = bordersOption(this.kind, optionName, value, axes)
  }

  override get takesIntegers(): boolean {
    return true
  }

  /** Before and after for each axis, the batch and the channels too. */
  protected get allPairs(): readonly Pair[] {
    const none: Pair = [0, 0]
    return this.dataFormat === 'channelsLast' ? [none, ...this.pairs, none] : [none, none, ...this.pairs]
  }

  override getConfig(): Config {
    return { ...super.getConfig(), [this.optionName]: this.axes === 1 ? this.pairs[0] : this.pairs }
  }
}

export interface ZeroPaddingOptions extends LayerOptions {
  /** How many zeros. Default 1 everywhere. */
  padding?: Borders | undefined
  /** Default `channelsLast`. */
  dataFormat?: DataFormat | null | undefined
}

abstract class ZeroPadding extends BorderLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<ZeroPaddingOptions> = { ...layerOptions, padding: 'optional', dataFormat: 'optional' }
  constructor(options: ZeroPaddingOptions, axes: number) {
    super(options, 'padding', options.padding ?? 1, axes)
  }

  override call(x: Tensor): Tensor {
    return ops.pad(x, this.allPairs)
  }
}
/** Zeros before and after: (B, W, C) → (B, before + W + after, C). */
export class ZeroPadding1d extends ZeroPadding {
  /** As in Keras. */
  static readonly className = 'ZeroPadding1D'
  constructor(options: ZeroPaddingOptions = {}) {
    super(options, 1)
  }
}
/** Zeros around images: (B, H, W, C) → (B, top + H + bottom, left + W + right, C). */
export class ZeroPadding2d extends ZeroPadding {
  /** As in Keras. */
  static readonly className = 'ZeroPadding2D'
  constructor(options: ZeroPaddingOptions = {}) {
    super(options, 2)
  }
}
/** Zeros around volumes: (B, D, H, W, C) → (B, larger D, H, W, C). */
export class ZeroPadding3d extends ZeroPadding {
  /** As in Keras. */
  static readonly className = 'ZeroPadding3D'
  constructor(options: ZeroPaddingOptions = {}) {
    super(options, 3)
  }
}

export interface PaddingOptions extends ZeroPaddingOptions {
  /** How many elements. Default 1 everywhere. */
  padding?: Borders | undefined
  /** `constant`: zeros; `edge`: the nearest element; `reflect`: the elements mirrored at the border, which is not repeated. Default `constant`. */
  mode?: PadMode | undefined
}

abstract class Padding extends BorderLayer {
  /** @internal */
  static override readonly optionNames: NamesOf<PaddingOptions> = { ...ZeroPadding.optionNames, mode: 'optional' }
  readonly mode: PadMode

  constructor(options: PaddingOptions, axes: number) {
    super(options, 'padding', options.padding ?? 1, axes)
    this.mode = choice(this.kind, 'mode', options.mode ?? 'constant', ['constant', 'edge', 'reflect'])
  }

  override call(x: Tensor): Tensor {
    return ops.pad(x, this.allPairs, { mode: this.mode })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), mode: this.mode }
  }
}
/** Elements before and after: (B, W, C) → (B, before + W + after, C). Before a `valid` convolution, `edge` makes a filter that continues the border. */
export class Padding1d extends Padding {
  /** As Keras would spell it. */
  static readonly className = 'Padding1D'
  constructor(options: PaddingOptions = {}) {
    super(options, 1)
  }
}
/**
 * Elements around images: (B, H, W, C) → (B, top + H + bottom, left + W + right, C).
 * @example
 * const filter = sequential([layers.padding2d({ padding: 1, mode: 'edge', inputShape: [28, 28, 1] }), layers.maxPooling2d({ poolSize: 3, strides: 1 })])
 */
export class Padding2d extends Padding {
  /** As Keras would spell it. */
  static readonly className = 'Padding2D'
  constructor(options: PaddingOptions = {}) {
    super(options, 2)
  }
}
/** Elements around volumes: (B, D, H, W, C) → (B, larger D, H, W, C). */
export class Padding3d extends Padding {
  /** As Keras would spell it. */
  static readonly className = 'Padding3D'
  constructor(options: PaddingOptions = {}) {
    super(options, 3)
  }
}
