// A layer of any activation, by name or function.

import * as activations from '../activations'
import type { NamesOf } from '../arguments'
import { within } from '../errors'
import type { Config } from '../serialization'
import type { Tensor } from '../tensor'
import { activationPart, type FusedPart } from './fusion'
import { Layer } from './layer'
import { type LayerOptions, layerOptions } from './options'

export interface ActivationOptions extends LayerOptions {
  activation: activations.ActivationSpec
}

/** activation(x), elementwise or along the last axis: the shape stays. */
export class Activation extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<ActivationOptions> = { ...layerOptions, activation: 'required' }
  private readonly activation: activations.Activation

  constructor(options: ActivationOptions) {
    super(options)
    this.activation = within(this.kind, () => activations.get(options.activation))
  }

  override get takesIntegers(): boolean {
    return false
  }

  override call(x: Tensor): Tensor {
    return this.activation.fn(x)
  }

  override fusedPart(): FusedPart | undefined {
    return activationPart(activations.fusedActivation(this.activation))
  }

  override get logitsActivation(): 'softmax' | 'sigmoid' | undefined {
    const { name } = this.activation
    return name === 'softmax' || name === 'sigmoid' ? name : undefined
  }

  override callLogits(x: Tensor): Tensor {
    return x
  }

  override getConfig(): Config {
    return { ...super.getConfig(), activation: activations.serialize(this.activation) }
  }
}
