// Spectral normalisation: a layer around another, whose kernel it divides by its largest singular value.
import { type NamesOf, numberOption } from '../arguments'
import { inDType } from '../dtype'
import { ArgumentError, failure, show } from '../errors'
import * as initializers from '../initializers'
import * as ops from '../ops'
import { type Config, isSerialized, type Serialized } from '../serialization'
import { abstractly } from '../state'
import type { Tensor, Variable } from '../tensor'
import { Layer, type LayerInput } from './layer'
import { type CallContext, type LayerOptions, layerOptions, type ShapeOrShapes } from './options'
import { deserialize, serialize } from './serialization'

export interface SpectralNormalizationOptions extends LayerOptions {
  /** A layer with a weight `kernel` or `embeddings`, or what a file holds for it. */
  layer: Layer | Serialized
  /** Steps of the power method in each call in training. Default 1. */
  powerIterations?: number | undefined
}

/**
 * Gives what `layer` gives. In training its kernel W, as a matrix (rest, K), is first replaced by W / σ, where σ estimates the largest
 * singular value by the power method: v = u Wᵀ / ‖u Wᵀ‖, u = v W / ‖v W‖, σ = v W uᵀ. No gradient flows through σ; a kernel of zeros
 * stays; used several times under one tape, it is replaced at the first. Weights in the order of Keras: the kernel, u (1, K), which training does not change by gradients and files hold, then the others
 * of `layer`. Miyato et al., 2018.
 * @example
 * layers.spectralNormalization({ layer: layers.conv2d({ filters: 32, kernelSize: 3 }) })
 */
export class SpectralNormalization extends Layer {
  /** @internal */
  static override readonly optionNames: NamesOf<SpectralNormalizationOptions> = {
    ...layerOptions,
    layer: 'required',
    powerIterations: 'optional'
  }
  readonly layer: Layer
  readonly powerIterations: number
  /** (1, K) */
  vectorU: Variable | undefined

  /** @throws ArgumentError for something else than a layer, or fewer iterations than one */
  constructor(options: SpectralNormalizationOptions) {
    super(options)
    const { layer, powerIterations = 1 } = options
    this.layer = isSerialized(layer) ? deserialize(layer) : layer
    if (!(this.layer instanceof Layer)) throw failure(ArgumentError, this.kind, `expected layer to be a layer, received ${show(layer)}`)
    // As a model does: the name in files does not depend on what was made before.
    this.layer.nameWithin(new Set())
    this.powerIterations = numberOption(this.kind, 'powerIterations', powerIterations, { integer: true, min: 1 })
  }

  override get takesIntegers(): boolean {
    return this.layer.takesIntegers
  }

  override build(shape: ShapeOrShapes): void {
    this.layer.build(shape)
    this.vectorU = this.addWeight({
      name: 'vector_u',
      shape: [1, this.kernel.shape.at(-1)!],
      initializer: initializers.truncatedNormal({ stddev: 0.02 }),
      trainable: false
    })
  }

  private get kernel(): Variable {
    const kernel = this.layer.weights.find(({ name }) => name === 'kernel' || name === 'embeddings')
    if (kernel) return kernel
    throw this.failure(ArgumentError, `expected a layer with a weight kernel or embeddings, received ${show(this.layer.name)} without one`)
  }

  protected override get ownVariables(): Variable[] {
    return this.built ? [this.kernel, ...super.ownVariables] : []
  }

  override call(x: LayerInput, context: CallContext): Tensor {
    // Where a tape has a use of the kernel already, its gradient needs the kernel as it is.
    if (context.training && !abstractly && this.kernel.holds === 0) this.normalize()
    return inDType(this.layer.apply(x, context), this.computeDType)
  }

  private normalize(): void {
    const [kernel, vectorU] = [this.kernel, this.vectorU!]
    const weights = ops.stopGradient(ops.reshape(kernel, [-1, kernel.shape.at(-1)!]))
    const unit = (vector: Tensor): Tensor => ops.unitNorm(vector, -1, { epsilon: 1e-7 })
    let u: Tensor = vectorU
    let image: Tensor = weights
    for (let i = 0; i < this.powerIterations; i++) {
      const v = unit(ops.matmul(u, weights, { transposeB: true }))
      image = ops.matmul(v, weights)
      u = unit(image)
    }
    const sigma = ops.sum(ops.mul(image, u))
    const isZero = ops.all(ops.equal(weights, 0))
    vectorU.assign(ops.where(isZero, vectorU, u))
    kernel.assign(ops.where(isZero, kernel, ops.div(ops.stopGradient(kernel), sigma)))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), layer: serialize(this.layer), powerIterations: this.powerIterations }
  }
}
