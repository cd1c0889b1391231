// capture(fn): runs fn once, records it once, and from then on replays the recorded commands in one native call.
import { native, reserve, shared } from './addon'
import { checkOptions, type NamesOf } from './arguments'
import { configurationVersion } from './config'
import { currentDevice, deviceName, deviceNumber } from './device'
import { ArgumentError, CaptureError, DeviceError, DisposedError, failure, fromNative, show } from './errors'
import { typedArrayKind } from './host-values'
import type { DType } from './native'
import { collectWritten, expectTensor, run, runInPlace } from './op'
import { isPromise, isRecord } from './plain'
import { forEachTensor, mapTensors, scope, track } from './scope'
import { abstractly, refuseInCapture, setCaptureDevice } from './state'
import { watching } from './tape'
import { Tensor, tensor, Variable } from './tensor'

/** A captured function: call it as the function itself; `dispose()` frees its programs and what they hold. */
export type Captured<A extends unknown[], R> = ((...args: A) => R) & Disposable & { dispose(): void }

/** Options of `capture`. */
export interface CaptureOptions {
  /** Name of the device on which a call without tensor arguments runs. Default: the current one. */
  device?: string | undefined
}

const captureOptions: NamesOf<CaptureOptions> = { device: 'optional' }

/** What a recording gave: the native program and the shape of its results. */
interface Program {
  id: number
  device: number
  results: number
  /** The returned value, with tensors replaced by their specification. */
  template: unknown
  /** With NEURITE_CHECK_CAPTURE: what the recording wrote in place. */
  written: Set<Tensor>
}

class Result {
  constructor(
    readonly shape: readonly number[],
    readonly dtype: DType
  ) {}
}

/** How many programs (of different shapes or settings) a captured function keeps. */
const maxPrograms = 16

const programsOf = new FinalizationRegistry<Map<string, Program | null>>(releaseAll)

function releaseAll(programs: Map<string, Program | null>): void {
  for (const program of programs.values()) if (program !== null) native.releaseProgram(program.id)
  programs.clear()
}

/**
 * A function that does what `fn` does, bit for bit, but faster: the first call runs it, the second records the commands that it submits,
 * later ones replay them in one native call. A program belongs to the shapes and dtypes of tensor arguments (also in arrays and records),
 * the values of all others, the device and the settings; other arguments get a program of their own. Functions are told apart by identity;
 * objects of classes (also Map and Date) are refused, since a replay could not see them change. Numbers and arrays that `fn` reads
 * are constants of the program; tensors that it closes over are held by it. Every call returns new tensors. With the environment
 * variable NEURITE_CHECK_CAPTURE=1 each replay is compared with an eager run from the same state, bit for bit.
 * @throws ArgumentError for such an argument; CaptureError, from the first call on, if `fn` reads on the host, is asynchronous, or calls another captured function or fit
 * @example
 * const step = capture((x: Tensor, y: Tensor) => {
 *   const { value, grads } = valueAndGrad(() => loss(net.apply(x), y), variables)
 *   optimizer.apply(grads, variables)
 *   return value
 * })
 */
export function capture<A extends unknown[], R>(fn: (...args: A) => R, options: CaptureOptions = {}): Captured<A, R> {
  if (typeof fn !== 'function') throw failure(ArgumentError, 'capture', `expected a function, received ${show(fn)}`)
  const { device: home } = checkOptions('capture', options, captureOptions)
  const programs = new Map<string, Program | null>()
  let disposed = false
  const captured = (...args: A): R => {
    if (disposed) throw failure(DisposedError, 'capture', 'the captured function has been disposed')
    if (abstractly) return fn(...args)
    refuseInCapture('another captured function')
    if (watching) throw failure(CaptureError, 'capture', 'no gradient flows through a captured function: call valueAndGrad inside it')
    const inputs: Tensor[] = []
    const key = keyOf(args, inputs)
    const device = inputs[0]?.deviceIndex ?? (home === undefined ? currentDevice() : deviceNumber(home, 'capture'))
    const other = inputs.find((input) => input.deviceIndex !== device)
    if (other !== undefined) {
      throw failure(
        DeviceError,
        'capture',
        `expected arguments on one device, received tensors on ${deviceName(device)} and ${other.device}: use to()`
      )
    }
    const fullKey = `${device} ${configurationVersion()} ${key}`
    const program = programs.get(fullKey)
    // Deleted and set again: a Map keeps its keys in the order of setting, so the first is the one least recently used.
    programs.delete(fullKey)
    if (program == null) {
      const made = runOnce(fn, args, device, program === undefined ? null : inputs)
      programs.set(fullKey, made.program)
      trim(programs)
      return made.result as R
    }
    programs.set(fullKey, program)
    return (process.env.NEURITE_CHECK_CAPTURE === '1' ? replayChecked(program, inputs, fn, args) : replay(program, inputs)) as R
  }
  const dispose = () => {
    disposed = true
    releaseAll(programs)
  }
  programsOf.register(captured, programs)
  return Object.assign(captured, { dispose, [Symbol.dispose]: dispose })
}

function trim(programs: Map<string, Program | null>): void {
  for (const [key, program] of programs) {
    if (programs.size <= maxPrograms) return
    if (program !== null) native.releaseProgram(program.id)
    programs.delete(key)
  }
}

const identities = new WeakMap<object, number>()
let nextIdentity = 1

function identityOf(value: object): number {
  let id = identities.get(value)
  if (id === undefined) {
    id = nextIdentity++
    identities.set(value, id)
  }
  return id
}

/** The part of a program's key that the arguments make; collects the tensors that a replay binds anew. */
function keyOf(value: unknown, inputs: Tensor[]): string {
  if (value instanceof Tensor) {
    expectTensor('capture', 'an argument', value)
    // A variable may be written in place, so it is part of the program, not an input.
    if (value instanceof Variable) return `v${identityOf(value)}`
    inputs.push(value)
    return `${value.dtype}[${value.shape}]${value.deviceIndex}`
  }
  if (Array.isArray(value)) return `[${value.map((item) => keyOf(item, inputs)).join()}]`
  const kind = typedArrayKind(value)
  // A Buffer's own toString decodes it.
  if (kind !== undefined && kind !== 'DataView') return `${kind}(${Array.prototype.join.call(value)})`
  if (isRecord(value)) return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${keyOf(item, inputs)}`)}}`
  if (typeof value === 'function') return `f${identityOf(value)}`
  if (typeof value === 'object' && value !== null) {
    const what = 'tensors, numbers, booleans, strings, functions, or arrays and records of these'
    throw failure(
      ArgumentError,
      'capture',
      `expected arguments that are ${what}, received ${show(value)}, whose changes a replay could not see`
    )
  }
  if (typeof value === 'string') return JSON.stringify(value)
  return Object.is(value, -0) ? '-0' : `${typeof value}${String(value)}`
}

/** Runs `fn` eagerly and, given inputs, records it meanwhile. */
function runOnce(
  fn: (...args: never[]) => unknown,
  args: unknown[],
  device: number,
  inputs: Tensor[] | null
): { result: unknown; program: Program | null } {
  if (fn.constructor.name === 'AsyncFunction') throw asynchronous()
  const written = new Set<Tensor>()
  const checking = process.env.NEURITE_CHECK_CAPTURE === '1'
  let recording = false
  let program: Program | null = null
  setCaptureDevice(device)
  try {
    if (inputs !== null) {
      packHandles(inputs)
      native.beginRecording(device, inputs.length)
      recording = true
      if (checking) collectWritten(written)
    }
    const result = scope(() => {
      const first = new Tensor(0, [], 'float32', device).origin
      const value = fn(...(args as never[]))
      if (isPromise(value)) throw asynchronous()
      return ownResults(value, first)
    })
    if (inputs !== null) {
      const results: Tensor[] = []
      const template = mapTensors(result, (t) => {
        results.push(t)
        return new Result(t.shape, t.dtype) as unknown as Tensor
      })
      packHandles(results)
      recording = false
      program = { id: native.endRecording(results.length), device, results: results.length, template, written }
    }
    return { result, program }
  } catch (error) {
    if (recording) native.abortRecording()
    throw fromNative(error, 'capture')
  } finally {
    if (recording || checking) collectWritten(null)
    setCaptureDevice(-1)
  }
}

function asynchronous(): Error {
  return failure(CaptureError, 'capture', 'an asynchronous function cannot be replayed: capture a function that returns its tensors')
}

/** Copies results whose memory is not this call's own: arguments, closed-over tensors, views of them, and a second handle on one memory. */
function ownResults(value: unknown, first: number): unknown {
  const seen = new Set<number>()
  return mapTensors(value, (t) => {
    expectTensor('capture', 'a result', t)
    const own = t.origin > first && !(t instanceof Variable) && !seen.has(t.origin)
    if (!own) return run('copy', [t], { shape: t.shape, dtype: t.dtype })
    seen.add(t.origin)
    return t
  })
}

function packHandles(tensors: readonly Tensor[]): void {
  const buffer = reserve(tensors.length)
  for (let i = 0; i < tensors.length; i++) buffer[i] = tensors[i]!.handle
}

function replay(program: Program, inputs: readonly Tensor[]): unknown {
  reserve(program.results)
  packHandles(inputs)
  try {
    native.replay(program.id, inputs.length)
  } catch (error) {
    throw fromNative(error, 'capture')
  }
  let next = 0
  return instantiate(program.template, program.device, () => shared.buffer[next++]!)
}

/** The template with a new tensor for each specification. */
function instantiate(template: unknown, device: number, handle: () => number): unknown {
  if (template instanceof Result) {
    const result = new Tensor(handle(), template.shape, template.dtype, device)
    track(result)
    return result
  }
  if (Array.isArray(template)) return template.map((item) => instantiate(item, device, handle))
  if (isRecord(template)) return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, instantiate(item, device, handle)]))
  return template
}

/**
 * Replays, runs `fn` eagerly from the same state, and compares all bits of results and of what was written in place. What `fn` does to
 * JavaScript's own state happens a second time.
 */
function replayChecked(program: Program, inputs: readonly Tensor[], fn: (...args: never[]) => unknown, args: unknown[]): unknown {
  const state = [...program.written].filter((t) => t.alive)
  const before = state.map(snapshot)
  const result = replay(program, inputs)
  const replayed = [...state.map(snapshot), ...bitsOf(result)]
  for (const [i, t] of state.entries()) restore(t, before[i]!)
  const { result: eager } = runOnce(fn, args, program.device, null)
  const expected = [...state.map(snapshot), ...bitsOf(eager)]
  forEachTensor(eager, (t) => t.dispose())
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, replayed[i]!]
    const at = a.findIndex((byte, j) => byte !== b[j])
    if (at < 0) continue
    const what = i < state.length ? `state ${i} (${state[i]})` : `result ${i - state.length}`
    throw failure(CaptureError, 'capture', `the replay on ${deviceName(program.device)} differs from eager in ${what} at byte ${at}`)
  }
  return result
}

function bitsOf(value: unknown): Uint8Array[] {
  const all: Uint8Array[] = []
  forEachTensor(value, (t) => all.push(snapshot(t)))
  return all
}

function snapshot(t: Tensor): Uint8Array {
  const data = t.dataSync()
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function restore(t: Tensor, bytes: Uint8Array): void {
  const data =
    t.dtype === 'int32' ? new Int32Array(bytes.buffer) : t.dtype === 'uint8' || t.dtype === 'bool' ? bytes : new Float32Array(bytes.buffer)
  const value = tensor(data, t.shape, { dtype: t.dtype, device: deviceName(t.deviceIndex) })
  runInPlace('assign', [t, value], 1, undefined)
  value.dispose()
}
