// Sequential: a model whose layers stand one behind the other.
import { raiseConfiguration } from '../config'
import { ArgumentError, failure, show } from '../errors'
import * as layers from '../layers'
import { InputLayer } from '../layers/input'
import { type CallContext, Layer, type LayerInput, type PartialShape } from '../layers/layer'
import { type Config, isSerialized, type Serialized } from '../serialization'
import { SymbolicTensor, type Tensor } from '../tensor'
import { Model } from './model'

export interface SequentialOptions {
  /** The layers, or what a file holds for them. */
  layers?: readonly (Layer | Serialized)[] | undefined
  name?: string | undefined
  trainable?: boolean | undefined
  /** Shape of the input with the batch dimension; the first layer's `inputShape` tells it too. */
  batchInputShape?: PartialShape | undefined
}

/**
 * A model whose layers stand one behind the other. It is built at once if its first layer has an `inputShape`, else when it sees data.
 *
 * @example
 * const model = sequential([
 *   layers.dense({ units: 64, activation: 'relu', inputShape: [20] }),
 *   layers.dense({ units: 3, activation: 'softmax' })
 * ])
 */
export class Sequential extends Model {
  private readonly chain: Layer[] = []
  /** What comes out of each layer, from the input on. */
  private symbols: SymbolicTensor[] = []
  private declaredShape: PartialShape | undefined

  /** @throws ArgumentError for something else than layers, or two layers of one name */
  constructor({ layers: given = [], name, trainable, batchInputShape }: SequentialOptions = {}) {
    super({ name, trainable })
    if (!Array.isArray(given)) throw failure(ArgumentError, 'sequential', `expected an array of layers, received ${show(given)}`)
    this.declaredShape = batchInputShape
    for (const layer of given) this.append(isSerialized(layer) ? layers.deserialize(layer) : layer)
    this.buildIfKnown()
  }

  override get layers(): readonly Layer[] {
    return this.chain
  }

  /**
   * Adds a layer at the end.
   * @throws ArgumentError as the constructor; ShapeError if it does not fit
   */
  add(layer: Layer): void {
    this.append(layer)
    if (this.built) this.symbols.push(layer.apply(this.symbols.at(-1)!))
    else this.buildIfKnown()
    raiseConfiguration()
  }

  override build(shape: PartialShape): void {
    // Whatever the size of the first batch: others may come.
    this.symbols = [new SymbolicTensor([null, ...shape.slice(1)], 'float32', `${this.name}_input`)]
    for (const layer of this.chain) this.symbols.push(layer.apply(this.symbols.at(-1)!))
  }

  override call(x: LayerInput, context: CallContext): Tensor {
    return this.chain.reduce<LayerInput>((value, layer) => layer.apply(value, context), x) as Tensor
  }

  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    return this.chain.at(-1)?.logitsActivation
  }

  override callLogits(x: LayerInput, context: CallContext): Tensor {
    const last = this.chain.at(-1)!
    return last.applyLogits(
      this.chain.slice(0, -1).reduce<LayerInput>((value, layer) => layer.apply(value, context), x),
      context
    )
  }

  override get inputShapes(): readonly (PartialShape | undefined)[] {
    return [this.symbols[0]?.shape]
  }

  override get outputShapes(): readonly (PartialShape | undefined)[] {
    return [this.symbols.at(-1)?.shape]
  }

  override outputShapeOf(layer: Layer): PartialShape | undefined {
    return this.symbols[this.chain.indexOf(layer) + 1]?.shape
  }

  override getConfig(): Config {
    const { name, trainable } = this
    const batchInputShape = this.symbols[0]?.shape ?? this.declaredShape
    return { name, trainable, layers: this.chain.map(layers.serialize), ...(batchInputShape && { batchInputShape }) }
  }

  private append(layer: Layer): void {
    if (!(layer instanceof Layer)) throw failure(ArgumentError, 'sequential', `expected layers, received ${show(layer)}`)
    if (layer instanceof InputLayer) {
      if (this.chain.length > 0) throw failure(ArgumentError, 'sequential', 'expected an input layer only at the beginning')
      this.declaredShape = layer.batchShape
      return
    }
    const taken = new Set(this.chain.map(({ name }) => name))
    layer.nameWithin(taken)
    if (taken.has(layer.name))
      throw failure(ArgumentError, 'sequential', `expected layers of different names, received two of the name ${show(layer.name)}`)
    this.chain.push(layer)
  }

  private buildIfKnown(): void {
    const shape = this.declaredShape ?? this.chain[0]?.batchInputShape ?? firstModelShape(this.chain[0])
    if (shape !== undefined && this.chain.length > 0) this.build(shape)
  }
}

/** A model that is the first layer knows its input. */
function firstModelShape(layer: Layer | undefined): PartialShape | undefined {
  return layer instanceof Model ? layer.inputShapes[0] : undefined
}

/**
 * A model whose layers stand one behind the other: {@link Sequential}.
 * @throws ArgumentError for something else than layers, or two layers of one name; ShapeError if they do not fit together
 */
export function sequential(list: readonly Layer[] = [], options: Omit<SequentialOptions, 'layers'> = {}): Sequential {
  return new Sequential({ ...options, layers: list })
}
