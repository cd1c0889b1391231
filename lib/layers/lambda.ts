// A layer made of a function.
import type { NamesOf } from '../arguments'
import { ArgumentError, failure, show } from '../errors'
import { type Config, deserializeFunction, type SerializedFunction, serializeFunction } from '../serialization'
import type { Tensor } from '../tensor'
import { Layer, type LayerInput } from './layer'
import { type CallContext, type LayerOptions, layerOptions } from './options'

// biome-ignore lint/suspicious/noExplicitAny: a function of one tensor, or of several
export type LambdaFunction = (x: any, context: CallContext) => Tensor

export interface LambdaOptions extends LayerOptions {
  /** Built from ops. To be saved it needs a name, and `loadModel` needs it in `customObjects`. */
  function: LambdaFunction | SerializedFunction
}

/**
 * function(x): for formulas without weights.
 * @example
 * layers.lambda({ function: x => x.square() })
 */
export class Lambda extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<LambdaOptions> = { ...layerOptions, function: 'required' }
  readonly function: LambdaFunction

  constructor(options: LambdaOptions) {
    super(options)
    const fn = typeof options.function === 'function' ? options.function : deserializeFunction('function', options.function)
    if (!fn) throw failure(ArgumentError, 'lambda', `expected the option function to be a function, received ${show(options.function)}`)
    this.function = fn as LambdaFunction
  }

  override call(x: LayerInput, context: CallContext): Tensor {
    return this.function(x, context)
  }

  override getConfig(): Config {
    return { ...super.getConfig(), function: serializeFunction('function', this.function) }
  }
}
