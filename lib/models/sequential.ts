// Sequential: a model whose layers stand one behind the other.
import { checkOptions, type NamesOf } from '../arguments'
import { raiseConfiguration } from '../config'
import { ArgumentError, failure, show } from '../errors'
import * as layers from '../layers'
import { InputLayer } from '../layers/input'
import { Layer } from '../layers/layer'
import type { PartialShape } from '../layers/options'
import { type Config, isSerialized, type Serialized } from '../serialization'
import type { SymbolicTensor } from '../tensor'
import { Graph, nameLayers } from './graph'
import { Model } from './model'

export interface SequentialOptions {
  /** The layers, or what a file holds for them. */
  layers?: readonly (Layer | Serialized)[] | undefined
  name?: string | undefined
  trainable?: boolean | undefined
  /** Shape of the input with the batch dimension; the first layer's `inputShape` tells it too. */
  batchInputShape?: PartialShape | undefined
}

const sequentialOptions: NamesOf<SequentialOptions> = {
  layers: 'optional',
  name: 'optional',
  trainable: 'optional',
  batchInputShape: 'optional'
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
  private head: InputLayer | undefined
  private declaredShape: PartialShape | undefined

  /** @throws ArgumentError for something else than layers, or two layers of one name */
  constructor(options: SequentialOptions = {}) {
    const {
      layers: given = [],
      name,
      trainable,
      batchInputShape
    } = checkOptions('sequential', options, sequentialOptions, new.target !== Sequential)
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
    if (this.graph) this.setGraph(new Graph(this.graph.inputs, [layer.apply(this.graph.outputs[0]!)]))
    else this.buildIfKnown()
    raiseConfiguration()
  }

  override build(shape: PartialShape): void {
    // Whatever the size of the first batch: others may come.
    this.head ??= new InputLayer({ batchShape: [null, ...shape.slice(1)] })
    const input = this.head.output
    const output = this.chain.reduce<SymbolicTensor>((x, layer) => layer.apply(x), input)
    this.setGraph(new Graph([input], [output]))
  }

  protected override get declaredShapes(): readonly (PartialShape | undefined)[] {
    return [this.knownShape]
  }

  protected override get onlyInput(): string {
    const [first] = this.chain
    return first === undefined ? super.onlyInput : `the input of layer "${first.name}"`
  }

  override getConfig(): Config {
    const { name, trainable, head } = this
    const batchInputShape = this.inputShapes[0] ?? this.declaredShape
    const serialized = this.chain.map(layers.serialize)
    // An input of another dtype is more than its shape.
    if (head && head.dtype !== 'float32') return { name, trainable, layers: [layers.serialize(head), ...serialized] }
    return { name, trainable, layers: serialized, ...(batchInputShape && { batchInputShape }) }
  }

  private append(layer: Layer): void {
    if (!(layer instanceof Layer)) throw failure(ArgumentError, 'sequential', `expected layers, received ${show(layer)}`)
    if (layer instanceof InputLayer) {
      if (this.chain.length > 0) throw failure(ArgumentError, 'sequential', 'expected an input layer only at the beginning')
      this.head = layer
      this.declaredShape = layer.batchShape
      return
    }
    if (layer.tree().includes(this)) {
      throw failure(ArgumentError, 'sequential', `expected no cycle, received the layer ${show(layer.name)}, which holds this model`)
    }
    nameLayers('sequential', [...this.chain, layer])
    this.chain.push(layer)
  }

  private get knownShape(): PartialShape | undefined {
    return this.declaredShape ?? this.chain[0]?.batchInputShape ?? firstModelShape(this.chain[0])
  }

  private buildIfKnown(): void {
    const shape = this.knownShape
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
  if (!Array.isArray(list)) throw failure(ArgumentError, 'sequential', `expected an array of layers, received ${show(list)}`)
  return new Sequential({ ...checkOptions('sequential', options, sequentialOptions), layers: list })
}
