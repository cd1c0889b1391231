// opSuite: runs an op's cases on every device that is there, against a float64 reference, central differences, capture and the other device.
import {
  capture,
  type Device,
  type DType,
  devices,
  memory,
  NeuriteError,
  ops,
  scope,
  setDevice,
  setPrecision,
  type Tensor,
  tensor,
  valueAndGrad
} from '../../lib'
import { collected } from './collected'
import { type Array64, array64, bfloat16, numbers } from './reference'

/** An input of a case: its shape, dtype and what it is filled with. */
export interface Input {
  shape: readonly number[]
  dtype: DType
  /** Random elements come from [low, high). */
  low: number
  high: number
  /** These elements come first, before the random ones. */
  values: readonly number[]
  /** Whether its gradient is checked; default: if it is a float. */
  differentiable: boolean
}

/** An input, float32 in [-2, 2) unless told otherwise. */
export function input(shape: readonly number[], options: Partial<Omit<Input, 'shape'>> = {}): Input {
  const dtype = options.dtype ?? 'float32'
  const float = dtype === 'float32' || dtype === 'bfloat16'
  const [low, high] = float ? [-2, 2] : dtype === 'int32' ? [-9, 10] : dtype === 'uint8' ? [0, 256] : [0, 2]
  return { shape, dtype, low, high, values: [], differentiable: float, ...options }
}

/** What no function should trip over. */
export const specials: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -1,
  1e30,
  -1e30,
  1e-30
]

export interface Case<A> {
  inputs: readonly Input[]
  attributes?: A
  /** Central differences of this case are not checked, for this reason (NaN, a kink …). */
  withoutGradient?: string
  /** Allowed relative and absolute difference, instead of the suite's. */
  tolerance?: number
}

export interface Failing {
  what: string
  run: () => unknown
  /** Class of the error. */
  code: string
  /** The exact message. */
  message: string
}

export interface Suite<A> {
  run: (inputs: Tensor[], attributes: A) => Tensor
  /** The same in float64. */
  reference: (inputs: Array64[], attributes: A) => Array64
  cases: readonly Case<A>[]
  /** Calls that must fail. */
  failures?: readonly Failing[]
  /** dtype of the result; default: that of the first input. */
  dtype?: DType
  /** Allowed relative and absolute difference of float32 results; bfloat16 has its own unit besides. Default 1e-5. */
  tolerance?: number
}

/** Usable devices that NEURITE_TEST_DEVICES (a list; unset: all) asks for. @throws Error if one of the list is not usable: no test would run on it */
export function testDevices(): { run: Device[]; missing: string[] } {
  const wanted = process.env.NEURITE_TEST_DEVICES?.split(',')
  const there = devices()
  const asked = (wanted ?? [...new Set(there.map(({ name }) => name))]).map((name) => ({
    name,
    device: there.find((d) => d.name === name)
  }))
  const missing = asked.flatMap(({ name, device }) =>
    device?.usable ? [] : [`${name} is not usable: ${device?.reason ?? 'there is no such device'}`]
  )
  if (wanted && missing.length > 0) throw new Error(`NEURITE_TEST_DEVICES: ${missing.join('; ')}`)
  return { run: asked.flatMap(({ device }) => (device?.usable ? [device] : [])), missing }
}

/** One describe for each usable device, and a skipped row for each that is not. */
export function onEveryDevice(body: (device: Device) => void): void {
  const { run, missing } = testDevices()
  for (const reason of missing) test.skip(reason, () => undefined)
  for (const device of run) {
    describe(device.name, () => {
      beforeAll(() => setDevice(device.name))
      body(device)
    })
  }
}

/** Declares the tests of an op. */
export function opSuite<A = undefined>(name: string, suite: Suite<A>): void {
  describe(name, () => {
    onEveryDevice((device) => {
      // Before and after all of them, in whatever order they run.
      let before = 0
      beforeAll(async () => {
        setPrecision('highest')
        await collected()
        before = memory().tensors
      })
      afterAll(() => expect(memory().tensors).toBe(before))
      for (const [i, c] of suite.cases.entries()) {
        const title = describeCase(c)
        test(title, () => runCase(name, suite, c, device, i))
      }
      for (const failing of suite.failures ?? []) test(`refuses ${failing.what}`, () => expectFailure(failing))
    })
  })
}

function describeCase<A>({ inputs, attributes, withoutGradient }: Case<A>): string {
  const shapes = inputs.map((i) => `${i.dtype}[${i.shape}]${i.values.length > 0 ? ' special' : ''}`).join(' ')
  return `${shapes}${attributes === undefined ? '' : ` ${JSON.stringify(attributes)}`}${withoutGradient ? ` (no gradient: ${withoutGradient})` : ''}`
}

/** Elements of an input as its dtype holds them. */
export function fill({ shape, dtype, low, high, values }: Input, seed: number): Array64 {
  const next = numbers(seed)
  return array64(shape, (i) => {
    const value = i < values.length ? values[i]! : low + next() * (high - low)
    return dtype === 'float32' ? Math.fround(value) : dtype === 'bfloat16' ? bfloat16(value) : Math.floor(value)
  })
}

export function toTensor(x: Array64, dtype: DType): Tensor {
  return tensor(x.data, x.shape, { dtype })
}

async function runCase<A>(name: string, suite: Suite<A>, c: Case<A>, device: Device, index: number): Promise<void> {
  setDevice(device.name)
  const arrays = c.inputs.map((spec, i) => fill(spec, 1000 * index + i + 1))
  const attributes = c.attributes as A
  const where = (what: string) => `${name} on ${device.name}, ${describeCase(c)}: ${what}`
  const inputs = arrays.map((a, i) => toTensor(a, c.inputs[i]!.dtype))
  try {
    const expected = suite.reference(arrays, attributes)
    const result = scope(() => suite.run(inputs, attributes))
    const data = await result.data()
    expect({ where: where('shape'), shape: result.shape }).toEqual({ where: where('shape'), shape: expected.shape })
    const dtype = suite.dtype ?? c.inputs[0]!.dtype
    expect({ where: where('dtype'), dtype: result.dtype }).toEqual({ where: where('dtype'), dtype })
    const tolerance = c.tolerance ?? suite.tolerance ?? 1e-5
    compare(where('forward'), data, expected, result.dtype, tolerance)
    result.dispose()
    await compareCaptured(where, suite, inputs, attributes, data)
    if (!c.withoutGradient && c.inputs.some((i) => i.differentiable)) {
      await compareGradients(where, suite, c, arrays, inputs, attributes, expected.shape, result.dtype, tolerance)
    }
    if (device.type === 'cuda' && devices()[0]!.usable) await compareWithCpu(where, suite, c, arrays, attributes, data, tolerance)
  } finally {
    setDevice(device.name)
    for (const t of inputs) t.dispose()
  }
}

/** Units in the last place that a dtype rounds to. */
const unit: Record<DType, number> = { float32: 0, bfloat16: 2 ** -8, int32: 0, uint8: 0, bool: 0 }

/** Fails with the first element that differs by more than tolerance · (1 + |expected|). */
export function compare(where: string, received: ArrayLike<number>, expected: Array64, dtype: DType, tolerance: number, scale = 1): void {
  const exact = dtype !== 'float32' && dtype !== 'bfloat16'
  const allowed = exact ? 0 : tolerance + unit[dtype]
  let bad = received.length === expected.data.length ? -1 : 0
  for (let i = 0; i < expected.data.length && bad < 0; i++) if (!near(received[i]!, expected.data[i]!, allowed, scale)) bad = i
  if (bad >= 0) {
    throw new Error(
      `${where}\n  first bad index ${bad} of ${expected.data.length} (received ${received.length}): expected ${expected.data[bad]}, received ${received[bad]}, allowed ${allowed}`
    )
  }
}

function near(received: number, expected: number, allowed: number, scale: number): boolean {
  // What float32 cannot hold is infinite there.
  const rounded = Math.fround(expected)
  if (Number.isNaN(rounded)) return Number.isNaN(received)
  if (!Number.isFinite(rounded)) return received === rounded || (Number.isFinite(expected) && Math.abs(received) > 3.4e38)
  return Math.abs(received - expected) <= allowed * (scale + Math.abs(expected))
}

async function compareCaptured<A>(
  where: (what: string) => string,
  suite: Suite<A>,
  inputs: Tensor[],
  attributes: A,
  eager: ArrayLike<number>
): Promise<void> {
  using captured = capture((...tensors: Tensor[]) => suite.run(tensors, attributes))
  for (const what of ['warm-up', 'recording', 'replay', 'second replay']) {
    const result = captured(...inputs)
    const data = await result.data()
    result.dispose()
    const bad = Array.from(data).findIndex((v, i) => !Object.is(v, eager[i]))
    if (bad >= 0 || data.length !== eager.length) {
      throw new Error(
        `${where(`captured, ${what}`)}\n  first index that is not the same bits: ${bad}: eager ${eager[bad]}, captured ${data[bad]}`
      )
    }
  }
}

/** Gradients of Σ w · op(x), w random, against (f(x + h) - f(x - h)) / 2h of the reference at some elements of each input. */
async function compareGradients<A>(
  where: (what: string) => string,
  suite: Suite<A>,
  c: Case<A>,
  arrays: Array64[],
  inputs: Tensor[],
  attributes: A,
  shape: readonly number[],
  dtype: DType,
  tolerance: number
): Promise<void> {
  const next = numbers(99)
  const w = array64(shape, () => bfloat16(next() * 2 - 1))
  const weights = toTensor(w, dtype)
  const watched = inputs.filter((_, i) => c.inputs[i]!.differentiable)
  const { value, grads } = valueAndGrad(() => ops.sum(ops.mul(suite.run(inputs, attributes), weights)), watched)
  value.dispose()
  weights.dispose()
  const loss = () => suite.reference(arrays, attributes).data.reduce((total, y, i) => total + y * w.data[i]!, 0)
  let g = 0
  for (const [k, spec] of c.inputs.entries()) {
    if (!spec.differentiable) continue
    const gradient = grads[g++]!
    const received = await gradient.data()
    gradient.dispose()
    const elements = arrays[k]!.data
    const picked = sample(elements.length)
    const expected = picked.map((i) => {
      const x = elements[i]!
      const h = 1e-4 * Math.max(1, Math.abs(x))
      elements[i] = x + h
      const above = loss()
      elements[i] = x - h
      const below = loss()
      elements[i] = x
      return (above - below) / (2 * h)
    })
    const scale = spec.dtype === 'bfloat16' ? 4 * Math.max(1, ...expected.map(Math.abs)) : Math.max(1, ...expected.map(Math.abs))
    compare(
      where(`gradient of input ${k} (elements ${picked})`),
      picked.map((i) => received[i]!),
      { shape: [picked.length], data: Float64Array.from(expected) },
      spec.dtype,
      Math.max(10 * tolerance, 1e-4),
      scale
    )
  }
}

/** All elements of few, else the first, the last and eight between them: random, since regular ones would all lie in the same few channels. */
function sample(count: number): number[] {
  if (count <= 10) return Array.from({ length: count }, (_, i) => i)
  const next = numbers(count)
  return [0, ...Array.from({ length: 8 }, () => 1 + Math.floor(next() * (count - 2))), count - 1]
}

async function compareWithCpu<A>(
  where: (what: string) => string,
  suite: Suite<A>,
  c: Case<A>,
  arrays: Array64[],
  attributes: A,
  onCuda: ArrayLike<number>,
  tolerance: number
): Promise<void> {
  setDevice('cpu')
  const inputs = arrays.map((a, i) => toTensor(a, c.inputs[i]!.dtype))
  const result = scope(() => suite.run(inputs, attributes))
  const data = await result.data()
  compare(where('cuda against cpu'), onCuda, { shape: result.shape, data: Float64Array.from(data) }, result.dtype, tolerance)
  for (const t of [...inputs, result]) t.dispose()
}

/** The call fails with this class and exactly this message. */
export async function expectFailure({ run, code, message }: Failing): Promise<void> {
  let received: unknown
  try {
    scope(() => {
      run()
    })
  } catch (error) {
    received = error
  }
  expect(received).toBeInstanceOf(NeuriteError)
  const error = received as NeuriteError
  expect({ code: error.code, name: error.name, message: error.message }).toEqual({ code, name: code, message })
}

/** Shapes that every elementwise op must stand: scalars, odd sizes, a row longer than a vector register, and nothing at all. */
export const plainShapes: readonly (readonly number[])[] = [[], [1], [7], [3, 5], [2, 3, 129], [1031], [0], [2, 0, 3]]
