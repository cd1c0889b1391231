// Random numbers by Philox4x32-10 (Salmon et al. 2011): every consumer has a key of its own and a counter on the device.
import { randomBytes } from 'node:crypto'
import { checkOptions, type NamesOf, tensorOptions } from './arguments'
import { currentDevice, deviceName, deviceNumber } from './device'
import { ArgumentError, DeviceError, failure, show } from './errors'
import type { DType } from './native'
import { expectTensor, noteWritten, run } from './op'
import { gather } from './ops/indexing'
import { expectDType, expectNumber, floats } from './ops/rules'
import { philox } from './philox'
import { scope } from './scope'
import { checkDType, checkShape, sizeOf } from './shape'
import { abstractly, refuseInCapture, runConcretely } from './state'
import type { Gradient } from './tape'
import { type Tensor, type TensorOptions, tensor, type Variable, variable } from './tensor'

let globalSeed = randomBytes(6).readUIntBE(0, 6)
/** Consumers constructed since the seed was set; 0 is the environment's own. */
let constructed = 0

/**
 * Seeds everything random that is made from now on, and the functions of `random`.
 * @throws ArgumentError unless `seed` is an integer
 */
export function setRandomSeed(seed: number): void {
  globalSeed = checkSeed('setRandomSeed', seed)
  constructed = 0
  for (const generator of own.values()) generator.reseed(globalSeed, 0)
}

function checkSeed(where: string, seed: unknown): number {
  if (!Number.isSafeInteger(seed)) throw failure(ArgumentError, where, `expected seed to be an integer, received ${show(seed)}`)
  return seed as number
}

const mask = (1n << 64n) - 1n

/** A finalizer of 64-bit numbers: neighbouring seeds give unrelated keys (splitmix64, Steele et al. 2014). */
function mix(value: bigint): bigint {
  let z = (value + 0x9e3779b97f4a7c15n) & mask
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask
  return z ^ (z >> 31n)
}

function makeKey(seed: number, number: number): [low: number, high: number] {
  const key = mix((mix(BigInt.asUintN(64, BigInt(seed))) + BigInt(number)) & mask)
  return [Number(BigInt.asIntN(32, key)), Number(BigInt.asIntN(32, key >> 32n))]
}

export interface UniformOptions extends TensorOptions {
  /** Default 0. */
  minval?: number | undefined
  /** Not reached. Default 1. */
  maxval?: number | undefined
}

const uniformOptions: NamesOf<UniformOptions> = { ...tensorOptions, minval: 'optional', maxval: 'optional' }

export interface NormalOptions extends TensorOptions {
  /** Default 0. */
  mean?: number | undefined
  /** Default 1. */
  stddev?: number | undefined
}

const normalOptions: NamesOf<NormalOptions> = { ...tensorOptions, mean: 'optional', stddev: 'optional' }

export interface BernoulliOptions extends TensorOptions {
  /** Probability of 1. Default 0.5. */
  p?: number | undefined
}

const bernoulliOptions: NamesOf<BernoulliOptions> = { ...tensorOptions, p: 'optional' }

export interface IntegersOptions {
  /** Default 0. */
  minval?: number | undefined
  /** Not reached. */
  maxval: number
  device?: string | undefined
}

const integersOptions: NamesOf<IntegersOptions> = { minval: 'optional', maxval: 'required', device: 'optional' }

export interface GeneratorOptions {
  /** Default: the global seed and the number of the generator. */
  seed?: number | undefined
  /** Name of the device on which it draws. Default: the one that is current at the first draw. */
  device?: string | undefined
}

const generatorOptions: NamesOf<GeneratorOptions> = { seed: 'optional', device: 'optional' }

export interface PermutationOptions {
  device?: string | undefined
}

const permutationOptions: NamesOf<PermutationOptions> = { device: 'optional' }

/**
 * A consumer of random numbers: a layer, an initializer, a model's shuffle. Its key comes from the global seed and its number in the
 * order of construction (or from a seed of its own); its counter lives on the device and only its own draws advance it, also inside
 * captured functions.
 */
export class Generator {
  /** @internal Two words of 32 bits, signed. */
  key: [low: number, high: number]
  private stateOnDevice: Variable | undefined
  private readonly deviceIndex: number | undefined
  /** Blocks of four words that were drawn on the host, by `shuffled`. */
  hostCounter = 0

  constructor(options: GeneratorOptions = {}) {
    const { seed, device } = checkOptions('Generator', options, generatorOptions)
    this.key = seed === undefined ? makeKey(globalSeed, ++constructed) : makeKey(checkSeed('Generator', seed), 0)
    this.deviceIndex = device === undefined ? undefined : deviceNumber(device, 'Generator')
  }

  /** @internal The environment's own: number 0. */
  static numbered(seed: number, number: number, device: string): Generator {
    const generator = new Generator({ seed, device })
    generator.key = makeKey(seed, number)
    return generator
  }

  /** int32 [4]: key low, key high, counter low, counter high. To be saved and restored (`assign`) with a model. */
  get state(): Variable {
    const [low, high] = this.key
    this.stateOnDevice ??= runConcretely(() => {
      const initial = tensor([low, high, 0, 0], [4], { dtype: 'int32', device: deviceName(this.deviceIndex ?? currentDevice()) })
      const state = variable(initial, { name: 'seedState', trainable: false })
      initial.dispose()
      return state
    })
    return this.stateOnDevice
  }

  /** @internal Starts again with another key. */
  reseed(seed: number, number: number): void {
    this.key = makeKey(seed, number)
    this.hostCounter = 0
    this.stateOnDevice?.assign([...this.key, 0, 0])
  }

  /** Numbers in [minval, maxval), all equally likely. */
  uniform(shape: readonly number[], options: UniformOptions = {}): Tensor {
    checkShape('uniform', shape)
    const { minval = 0, maxval = 1, dtype = 'float32', device } = checkOptions('uniform', options, uniformOptions)
    this.expectDevice('uniform', device)
    const [low, high] = [finite('uniform', 'minval', minval), finite('uniform', 'maxval', maxval)]
    if (low > high) throw failure(ArgumentError, 'uniform', `expected minval to be at most maxval, received ${low} and ${high}`)
    return this.draw('uniform', 'randomUniform', shape, dtype, floats, { low, high })
  }

  /** Normally distributed numbers. */
  normal(shape: readonly number[], options: NormalOptions = {}): Tensor {
    return this.drawNormal('normal', 'randomNormal', shape, options)
  }

  /** Normally distributed numbers, none further than 2 stddev from the mean. */
  truncatedNormal(shape: readonly number[], options: NormalOptions = {}): Tensor {
    return this.drawNormal('truncatedNormal', 'truncatedNormal', shape, options)
  }

  /** 1 with probability p, else 0. */
  bernoulli(shape: readonly number[], options: BernoulliOptions = {}): Tensor {
    checkShape('bernoulli', shape)
    const { p = 0.5, dtype = 'float32', device } = checkOptions('bernoulli', options, bernoulliOptions)
    this.expectDevice('bernoulli', device)
    return this.draw('bernoulli', 'bernoulli', shape, dtype, null, { p: probability('bernoulli', 'p', p) })
  }

  /** Integers in [minval, maxval), as int32. */
  integers(shape: readonly number[], options: IntegersOptions): Tensor {
    checkShape('integers', shape)
    const { minval = 0, maxval, device } = checkOptions('integers', options, integersOptions)
    this.expectDevice('integers', device)
    if (![minval, maxval].every((v) => Number.isInteger(v) && Math.abs(v) <= 2 ** 31) || minval >= maxval) {
      throw failure(ArgumentError, 'integers', `expected integers minval < maxval of 32 bits, received ${show(minval)} and ${show(maxval)}`)
    }
    return this.draw('integers', 'randomUniform', shape, 'int32', ['int32'], { low: minval, high: maxval })
  }

  /** x with each element set to 0 with probability `rate`, the others divided by 1 - rate. */
  dropout(x: Tensor, rate: number): Tensor {
    expectTensor('dropout', 'x', x)
    expectDType('dropout', 'x', x, floats)
    const attributes = { rate: probability('dropout', 'rate', rate) }
    if (rate === 1) throw failure(ArgumentError, 'dropout', 'expected rate to be less than 1, received 1')
    const before = this.advance(x.size)
    // The mask is not stored: the gradient draws it again from the same state.
    const gradient: Gradient = (dy, { inputs }) => [
      () => run('dropout', [dy, inputs[1]!], { shape: dy.shape, dtype: dy.dtype, attributes, gradient }),
      null
    ]
    const result = run('dropout', [x, before], { shape: x.shape, dtype: x.dtype, attributes, gradient })
    before.dispose()
    return result
  }

  /** 0 … n - 1 in random order (Fisher and Yates), drawn on the host from this generator's key. */
  shuffled(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i)
    const words = new Uint32Array(4)
    let left = 0
    for (let i = n - 1; i > 0; i--) {
      if (left === 0) {
        philox(words, this.hostCounter, Math.floor(this.hostCounter / 2 ** 32), this.key)
        this.hostCounter++
        left = 4
      }
      const j = Math.floor((words[--left]! / 2 ** 32) * (i + 1))
      const t = order[i]!
      order[i] = order[j]!
      order[j] = t
    }
    return order
  }

  /** Frees the state. */
  dispose(): void {
    this.stateOnDevice?.dispose()
  }

  private drawNormal(where: string, op: string, shape: readonly number[], options: NormalOptions): Tensor {
    checkShape(where, shape)
    const { mean = 0, stddev = 1, dtype = 'float32', device } = checkOptions(where, options, normalOptions)
    this.expectDevice(where, device)
    return this.draw(where, op, shape, dtype, floats, moments(where, mean, stddev))
  }

  /** @throws DeviceError if a draw is wanted on another device than that of the counter */
  private expectDevice(where: string, wanted: string | undefined): void {
    if (wanted === undefined) return
    const own = this.stateOnDevice?.deviceIndex ?? this.deviceIndex ?? currentDevice()
    if (deviceNumber(wanted, where) === own) return
    throw failure(DeviceError, where, `expected device to be that of the generator, ${deviceName(own)}, received ${wanted}`)
  }

  private draw(
    where: string,
    op: string,
    shape: readonly number[],
    dtype: DType,
    allowed: readonly DType[] | null,
    attributes: Record<string, number>
  ): Tensor {
    const dims = checkShape(where, shape)
    checkDType(where, dtype)
    if (allowed !== null && !allowed.includes(dtype))
      throw failure(ArgumentError, where, `expected dtype to be ${allowed.join(' or ')}, received ${dtype}`)
    const before = this.advance(sizeOf(dims))
    const result = run(op, [before], { shape: dims, dtype, attributes })
    before.dispose()
    return result
  }

  /** The state before; moves the counter on by what `count` elements take. */
  private advance(count: number): Tensor {
    const state = this.state
    const before = run('advanceRandom', [state], { shape: [4], dtype: 'int32', attributes: { count } })
    if (!abstractly) noteWritten([state], 1)
    return before
  }
}

function finite(where: string, name: string, value: unknown): number {
  if (!Number.isFinite(value)) throw failure(ArgumentError, where, `expected ${name} to be a finite number, received ${show(value)}`)
  return value as number
}

function moments(where: string, mean: number, stddev: number): { mean: number; stddev: number } {
  if (!(stddev >= 0)) throw failure(ArgumentError, where, `expected stddev to be a number that is not negative, received ${show(stddev)}`)
  return { mean: expectNumber(where, 'mean', mean), stddev }
}

function probability(where: string, name: string, value: number): number {
  if (!(value >= 0 && value <= 1)) throw failure(ArgumentError, where, `expected ${name} to be in [0, 1], received ${show(value)}`)
  return value
}

// ---- The functions of `random`: draws of the environment's own generator on the device of the draw.

const own = new Map<string, Generator>()

function ownGenerator(device: string | undefined): Generator {
  // A device may have several spellings, but has one generator.
  const name = deviceName(device === undefined ? currentDevice() : deviceNumber(device, 'random'))
  let generator = own.get(name)
  if (generator === undefined) {
    generator = Generator.numbered(globalSeed, 0, name)
    own.set(name, generator)
  }
  return generator
}

/** Numbers in [minval, maxval), all equally likely; default [0, 1). */
export function uniform(shape: readonly number[], options?: UniformOptions): Tensor {
  return ownGenerator(options?.device).uniform(shape, options)
}

/** Normally distributed numbers; default mean 0, stddev 1. */
export function normal(shape: readonly number[], options?: NormalOptions): Tensor {
  return ownGenerator(options?.device).normal(shape, options)
}

/** Normally distributed numbers, none further than 2 stddev from the mean. */
export function truncatedNormal(shape: readonly number[], options?: NormalOptions): Tensor {
  return ownGenerator(options?.device).truncatedNormal(shape, options)
}

/** 1 with probability p (default 0.5), else 0. */
export function bernoulli(shape: readonly number[], options?: BernoulliOptions): Tensor {
  return ownGenerator(options?.device).bernoulli(shape, options)
}

/** Integers in [minval, maxval), as int32. */
export function integers(shape: readonly number[], options: IntegersOptions): Tensor {
  return ownGenerator(options?.device).integers(shape, options)
}

/** Sets elements to 0 with probability `rate` and divides the others by 1 - rate. */
export function dropout(x: Tensor, rate: number): Tensor {
  expectTensor('dropout', 'x', x)
  return ownGenerator(x.device).dropout(x, rate)
}

/**
 * 0 … n - 1 in random order, as int32 [n]. Drawn on the host, so not inside a captured function.
 * @throws ArgumentError, CaptureError
 */
export function permutation(n: number, options: PermutationOptions = {}): Tensor {
  refuseInCapture('random.permutation')
  const { device } = checkOptions('permutation', options, permutationOptions)
  if (!Number.isInteger(n) || n < 0 || n >= 2 ** 31)
    throw failure(ArgumentError, 'permutation', `expected n to be an integer and not negative, less than 2^31, received ${show(n)}`)
  return tensor(ownGenerator(device).shuffled(n), [n], { device })
}

/** The slices of x along `axis` in random order. Drawn on the host, so not inside a captured function. */
export function shuffle(x: Tensor, axis = 0): Tensor {
  expectTensor('shuffle', 'x', x)
  return scope(() => gather(x, permutation(x.shape.at(axis) ?? 0, { device: x.device }), axis))
}
