// The input layer: where a model's graph begins.
import { type NamesOf, numberOption } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import { type DType, dtypes } from '../native'
import { type Config, classOptions } from '../serialization'
import { SymbolicTensor, type Tensor } from '../tensor'
import { Layer } from './layer'
import { checkInputShape, type PartialShape } from './options'

export interface InputOptions {
  name?: string | undefined
  /** Shape without the batch dimension; null for sizes that vary. */
  shape?: PartialShape | undefined
  /** Size of the batch, if it is always the same. */
  batchSize?: number | null | undefined
  /** Shape with the batch dimension, instead of `shape` and `batchSize`. */
  batchShape?: PartialShape | undefined
  /** Dtype that data are cast to. Default float32. */
  dtype?: DType | undefined
}

const inputOptions: NamesOf<InputOptions> = {
  name: 'optional',
  shape: 'optional',
  batchSize: 'optional',
  batchShape: 'optional',
  dtype: 'optional'
}

/** The layer behind {@link input}: gives its input back. */
export class InputLayer extends Layer {
  readonly batchShape: PartialShape
  readonly dtype: DType

  constructor(options: InputOptions) {
    const { name, shape, batchSize = null, batchShape, dtype = 'float32' } = classOptions('input', new.target, options, inputOptions)
    if ((shape === undefined) === (batchShape === undefined)) {
      throw failure(ArgumentError, 'input', `expected shape or batchShape, received ${shape === undefined ? 'neither' : 'both'}`)
    }
    if (shape !== undefined) checkInputShape('input', 'shape', shape)
    if (batchShape !== undefined) checkInputShape('input', 'batchShape', batchShape)
    if (!dtypes.includes(dtype))
      throw failure(ArgumentError, 'input', `expected dtype to be one of ${dtypes.join(', ')}, received ${show(dtype)}`)
    if (batchSize !== null) numberOption('input', 'batchSize', batchSize, { integer: true, min: 1 })
    super({
      name,
      batchInputShape: batchShape ?? [batchSize, ...shape!]
    })
    this.batchShape = this.batchInputShape!
    this.dtype = dtype
    this.built = true
    this.addNode([], (node) => new SymbolicTensor(this.batchShape, dtype, node))
  }

  override call(x: Tensor): Tensor {
    return x
  }

  override getConfig(): Config {
    return { name: this.name, batchShape: this.batchShape, dtype: this.dtype }
  }
}

/**
 * The input of a model that is drawn layer by layer.
 * @throws ArgumentError for a shape that is none
 * @example
 * const x = input({ shape: [784] })
 * const y = layers.dense({ units: 10 }).apply(x)
 */
export function input(options: InputOptions): SymbolicTensor {
  return new InputLayer(options).output
}
