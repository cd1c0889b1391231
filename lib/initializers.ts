// initializers.*: the values that weights start with. Formulas and defaults as in Keras 3.
import { choice, type NamesOf, numberOption, type OptionNames, optionalNumber } from './arguments'
import { failure, ShapeError, showShape } from './errors'
import type { DType } from './native'
import * as ops from './ops'
import { Generator } from './random'
import { type Config, classOptions, Registry, type Serialized, type SerializedFunction } from './serialization'
import { type Tensor, tensor } from './tensor'

/** Makes the values that a weight starts with. One's own extends this class, or is a function of shape and dtype. */
export abstract class Initializer {
  abstract initialize(shape: readonly number[], dtype?: DType): Tensor

  getConfig(): Config {
    return {}
  }
}

/** All zeros. */
export class Zeros extends Initializer {
  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return ops.zeros(shape, { dtype })
  }
}

/** All ones. */
export class Ones extends Initializer {
  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return ops.ones(shape, { dtype })
  }
}

export interface ConstantOptions {
  /** Default 0. */
  value?: number | undefined
}

const constantOptions: NamesOf<ConstantOptions> = { value: 'optional' }

/** One number everywhere. */
export class Constant extends Initializer {
  readonly value: number

  constructor(options: ConstantOptions | number = {}) {
    super()
    const value = typeof options === 'number' ? options : classOptions('constant', new.target, options, constantOptions).value
    this.value = numberOption('constant', 'value', value ?? 0)
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return ops.full(shape, this.value, { dtype })
  }

  override getConfig(): Config {
    return { value: this.value }
  }
}

export interface IdentityOptions {
  /** The number on the diagonal. Default 1. */
  gain?: number | undefined
}

const identityOptions: NamesOf<IdentityOptions> = { gain: 'optional' }

/** gain on the diagonal of a matrix, 0 elsewhere. */
export class Identity extends Initializer {
  readonly gain: number

  constructor(options: IdentityOptions = {}) {
    super()
    this.gain = numberOption('identity', 'gain', classOptions('identity', new.target, options, identityOptions).gain ?? 1)
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    if (shape.length !== 2) throw failure(ShapeError, 'identity', `expected the shape of a matrix, received ${showShape(shape)}`)
    return ops.mul(ops.eye(shape[0]!, shape[1]!, { dtype }), this.gain)
  }

  override getConfig(): Config {
    return { gain: this.gain }
  }
}

export interface RandomOptions {
  /** Makes the numbers the same whatever the global seed. */
  seed?: number | null | undefined
}

const randomOptions: NamesOf<RandomOptions> = { seed: 'optional' }

/**
 * Initializers that draw. Each has a key of its own from its construction on, so that weights do not depend on when they are made; one
 * that is used again takes a new key each time, unless it has a seed: then the numbers are the same again.
 */
abstract class RandomInitializer extends Initializer {
  readonly seed: number | undefined
  private generator: Generator | undefined

  constructor(owner: string, options: RandomOptions, names: OptionNames) {
    super()
    this.seed = optionalNumber(owner, 'seed', classOptions(owner, new.target, options, names).seed, { integer: true })
    this.generator = new Generator({ seed: this.seed })
  }

  protected draw(fn: (generator: Generator) => Tensor): Tensor {
    const generator = this.generator ?? new Generator({ seed: this.seed })
    this.generator = undefined
    try {
      return fn(generator)
    } finally {
      generator.dispose()
    }
  }

  override getConfig(): Config {
    return { seed: this.seed ?? null }
  }
}

export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  mean?: number | undefined
  /** Default 0.05. */
  stddev?: number | undefined
}

const normalOptions: NamesOf<NormalOptions> = { ...randomOptions, mean: 'optional', stddev: 'optional' }

/** Normally distributed. */
export class RandomNormal extends RandomInitializer {
  readonly mean: number
  readonly stddev: number

  constructor(options: NormalOptions = {}) {
    super('randomNormal', options, normalOptions)
    this.mean = numberOption('randomNormal', 'mean', options.mean ?? 0)
    this.stddev = numberOption('randomNormal', 'stddev', options.stddev ?? 0.05, { min: 0 })
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return this.draw((generator) => generator.normal(shape, { mean: this.mean, stddev: this.stddev, dtype }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), mean: this.mean, stddev: this.stddev }
  }
}

/** Normally distributed, drawn again beyond two standard deviations. */
export class TruncatedNormal extends RandomInitializer {
  readonly mean: number
  readonly stddev: number

  constructor(options: NormalOptions = {}) {
    super('truncatedNormal', options, normalOptions)
    this.mean = numberOption('truncatedNormal', 'mean', options.mean ?? 0)
    this.stddev = numberOption('truncatedNormal', 'stddev', options.stddev ?? 0.05, { min: 0 })
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return this.draw((generator) => generator.truncatedNormal(shape, { mean: this.mean, stddev: this.stddev, dtype }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), mean: this.mean, stddev: this.stddev }
  }
}

export interface UniformOptions extends RandomOptions {
  /** Default −0.05. */
  minval?: number | undefined
  /** Default 0.05. */
  maxval?: number | undefined
}

const uniformOptions: NamesOf<UniformOptions> = { ...randomOptions, minval: 'optional', maxval: 'optional' }

/** Uniform in [minval, maxval). */
export class RandomUniform extends RandomInitializer {
  readonly minval: number
  readonly maxval: number

  constructor(options: UniformOptions = {}) {
    super('randomUniform', options, uniformOptions)
    this.minval = numberOption('randomUniform', 'minval', options.minval ?? -0.05)
    this.maxval = numberOption('randomUniform', 'maxval', options.maxval ?? 0.05, { min: this.minval })
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return this.draw((generator) => generator.uniform(shape, { minval: this.minval, maxval: this.maxval, dtype }))
  }

  override getConfig(): Config {
    return { ...super.getConfig(), minval: this.minval, maxval: this.maxval }
  }
}

export interface VarianceScalingOptions extends RandomOptions {
  /** Default 1. */
  scale?: number | undefined
  /** What the scale is divided by: inputs, outputs or their mean. Default `'fanIn'`. */
  mode?: 'fanIn' | 'fanOut' | 'fanAvg' | undefined
  /** Default `'truncatedNormal'`. */
  distribution?: 'truncatedNormal' | 'untruncatedNormal' | 'uniform' | undefined
}

const varianceScalingOptions: NamesOf<VarianceScalingOptions> = {
  ...randomOptions,
  scale: 'optional',
  mode: 'optional',
  distribution: 'optional'
}

/** Standard deviation of a normal distribution with variance 1 that is cut at ±2. */
const truncatedStddev = 0.87962566103423978

/**
 * Draws with variance scale / n, where n is the number of a unit's inputs, of its outputs, or the mean of both. A truncated normal
 * distribution gets √(scale / n) / 0.8796 as its σ, so that the variance is right after the cut; a uniform one ±√(3 scale / n).
 */
export class VarianceScaling extends RandomInitializer {
  readonly scale: number
  readonly mode: 'fanIn' | 'fanOut' | 'fanAvg'
  readonly distribution: 'truncatedNormal' | 'untruncatedNormal' | 'uniform'

  constructor(options: VarianceScalingOptions = {}, owner = 'varianceScaling') {
    super(owner, options, varianceScalingOptions)
    this.scale = numberOption(owner, 'scale', options.scale ?? 1, { above: 0 })
    this.mode = choice(owner, 'mode', options.mode ?? 'fanIn', ['fanIn', 'fanOut', 'fanAvg'])
    const distributions = ['truncatedNormal', 'untruncatedNormal', 'uniform'] as const
    this.distribution = choice(owner, 'distribution', options.distribution ?? 'truncatedNormal', distributions)
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    const [fanIn, fanOut] = fans(shape)
    const n = { fanIn, fanOut, fanAvg: (fanIn + fanOut) / 2 }[this.mode]
    const stddev = Math.sqrt(this.scale / Math.max(1, n))
    switch (this.distribution) {
      case 'truncatedNormal':
        return this.draw((generator) => generator.truncatedNormal(shape, { stddev: stddev / truncatedStddev, dtype }))
      case 'untruncatedNormal':
        return this.draw((generator) => generator.normal(shape, { stddev, dtype }))
      case 'uniform': {
        const limit = Math.sqrt(3) * stddev
        return this.draw((generator) => generator.uniform(shape, { minval: -limit, maxval: limit, dtype }))
      }
    }
  }

  override getConfig(): Config {
    return { ...super.getConfig(), scale: this.scale, mode: this.mode, distribution: this.distribution }
  }
}

/**
 * How many inputs and outputs a unit of a weight has: (in, out) of a matrix; of a convolution's kernel (k…, in, out) each times the
 * size of the window. Depthwise and transposed kernels are counted alike, as in Keras.
 */
export function fans(shape: readonly number[]): [fanIn: number, fanOut: number] {
  if (shape.length === 0) return [1, 1]
  if (shape.length === 1) return [shape[0]!, shape[0]!]
  const window = shape.slice(0, -2).reduce((size, n) => size * n, 1)
  return [window * shape.at(-2)!, window * shape.at(-1)!]
}

/** The named cases of variance scaling, whose only option is the seed. */
abstract class NamedVarianceScaling extends VarianceScaling {
  constructor(owner: string, options: RandomOptions, fixed: Omit<VarianceScalingOptions, 'seed'>) {
    super({ ...classOptions(owner, new.target, options, randomOptions), ...fixed }, owner)
  }

  override getConfig(): Config {
    return { seed: this.seed ?? null }
  }
}

/** Truncated normal, σ² = 2 / (in + out). Glorot, Bengio, 2010. */
export class GlorotNormal extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('glorotNormal', options, { mode: 'fanAvg' })
  }
}

/** Uniform within ±√(6 / (in + out)). Glorot, Bengio, 2010. */
export class GlorotUniform extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('glorotUniform', options, { mode: 'fanAvg', distribution: 'uniform' })
  }
}

/** Truncated normal, σ² = 2 / in. He et al., 2015. */
export class HeNormal extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('heNormal', options, { scale: 2 })
  }
}

/** Uniform within ±√(6 / in). He et al., 2015. */
export class HeUniform extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('heUniform', options, { scale: 2, distribution: 'uniform' })
  }
}

/** Truncated normal, σ² = 1 / in. LeCun et al., Efficient BackProp, 1998. */
export class LecunNormal extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('lecunNormal', options, {})
  }
}

/** Uniform within ±√(3 / in). LeCun et al., Efficient BackProp, 1998. */
export class LecunUniform extends NamedVarianceScaling {
  constructor(options: RandomOptions = {}) {
    super('lecunUniform', options, { distribution: 'uniform' })
  }
}

export interface OrthogonalOptions extends RandomOptions {
  /** Factor of the matrix. Default 1. */
  gain?: number | undefined
}

const orthogonalOptions: NamesOf<OrthogonalOptions> = { ...randomOptions, gain: 'optional' }

/**
 * A matrix with orthonormal rows or columns (whichever are fewer), times gain: Q of the QR decomposition of normal numbers, with the
 * signs that make the diagonal of R positive, so that it is uniform among such matrices. More axes than two are taken as rows.
 * Saxe, McClelland, Ganguli, 2013. Computed on the host.
 */
export class Orthogonal extends RandomInitializer {
  readonly gain: number

  constructor(options: OrthogonalOptions = {}) {
    super('orthogonal', options, orthogonalOptions)
    this.gain = numberOption('orthogonal', 'gain', options.gain ?? 1)
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    if (shape.length < 2) throw failure(ShapeError, 'orthogonal', `expected a shape of rank 2 or more, received ${showShape(shape)}`)
    const columns = shape.at(-1)!
    const rows = shape.slice(0, -1).reduce((size, n) => size * n, 1)
    const [length, count] = [Math.max(rows, columns), Math.min(rows, columns)]
    const draw = this.draw((generator) => generator.normal([count, length]))
    const vectors = Array.from({ length: count }, (_, i) => Float64Array.from(draw.dataSync().subarray(i * length, (i + 1) * length)))
    draw.dispose()
    orthonormalize(vectors)
    const values = new Float32Array(rows * columns)
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) values[i * columns + j] = this.gain * (rows < columns ? vectors[i]![j]! : vectors[j]![i]!)
    }
    return tensor(values, shape, { dtype })
  }

  override getConfig(): Config {
    return { ...super.getConfig(), gain: this.gain }
  }
}

/** Gram–Schmidt in place, each vector made orthogonal twice, which is enough for float64 (Kahan and Parlett). */
function orthonormalize(vectors: Float64Array[]): void {
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
  vectors.forEach((v, n) => {
    for (let pass = 0; pass < 2; pass++) {
      for (const u of vectors.slice(0, n)) {
        const along = dot(u, v)
        for (let i = 0; i < v.length; i++) v[i]! -= along * u[i]!
      }
    }
    const norm = Math.sqrt(dot(v, v))
    for (let i = 0; i < v.length; i++) v[i]! /= norm
  })
}

/** An initializer of the user's own. */
export type InitializerFunction = (shape: readonly number[], dtype: DType) => Tensor

const classes = {
  zeros: Zeros,
  ones: Ones,
  constant: Constant,
  identity: Identity,
  randomNormal: RandomNormal,
  truncatedNormal: TruncatedNormal,
  randomUniform: RandomUniform,
  varianceScaling: VarianceScaling,
  glorotNormal: GlorotNormal,
  glorotUniform: GlorotUniform,
  heNormal: HeNormal,
  heUniform: HeUniform,
  lecunNormal: LecunNormal,
  lecunUniform: LecunUniform,
  orthogonal: Orthogonal
}
const aliases = { normal: 'randomNormal', uniform: 'randomUniform' } as const
/** The names that an initializer can be asked for by. */
export type InitializerName = keyof typeof classes | keyof typeof aliases
/** What stands for an initializer. */
export type InitializerSpec = InitializerName | Initializer | InitializerFunction | Serialized | SerializedFunction

class FunctionInitializer extends Initializer {
  constructor(readonly fn: InitializerFunction) {
    super()
  }

  override initialize(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return this.fn(shape, dtype)
  }
}

const registry = new Registry<Initializer>('initializer', Initializer, classes, aliases, FunctionInitializer)

/** Gives the initializer that `spec` stands for. @throws ArgumentError for an unknown name, with the nearest */
export const get = (spec: InitializerSpec): Initializer => registry.get(spec)
/** What a file holds for an initializer; {@link get} makes it again. */
export const serialize = (initializer: Initializer): Serialized | SerializedFunction => registry.serialize(initializer)

/** {@link Zeros} */
export const zeros = (): Initializer => new Zeros()
/** {@link Ones} */
export const ones = (): Initializer => new Ones()
/** {@link Constant}; the value may be given as a number. */
export const constant = (options?: ConstantOptions | number): Initializer => new Constant(options)
/** {@link Identity} */
export const identity = (options?: IdentityOptions): Initializer => new Identity(options)
/** {@link RandomNormal} */
export const randomNormal = (options?: NormalOptions): Initializer => new RandomNormal(options)
/** {@link TruncatedNormal} */
export const truncatedNormal = (options?: NormalOptions): Initializer => new TruncatedNormal(options)
/** {@link RandomUniform} */
export const randomUniform = (options?: UniformOptions): Initializer => new RandomUniform(options)
/** {@link VarianceScaling} */
export const varianceScaling = (options?: VarianceScalingOptions): Initializer => new VarianceScaling(options)
/** {@link GlorotNormal} */
export const glorotNormal = (options?: RandomOptions): Initializer => new GlorotNormal(options)
/** {@link GlorotUniform} */
export const glorotUniform = (options?: RandomOptions): Initializer => new GlorotUniform(options)
/** {@link HeNormal} */
export const heNormal = (options?: RandomOptions): Initializer => new HeNormal(options)
/** {@link HeUniform} */
export const heUniform = (options?: RandomOptions): Initializer => new HeUniform(options)
/** {@link LecunNormal} */
export const lecunNormal = (options?: RandomOptions): Initializer => new LecunNormal(options)
/** {@link LecunUniform} */
export const lecunUniform = (options?: RandomOptions): Initializer => new LecunUniform(options)
/** {@link Orthogonal} */
export const orthogonal = (options?: OrthogonalOptions): Initializer => new Orthogonal(options)
