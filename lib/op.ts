// Runs an op: checks what every op needs, packs the call for the addon, makes the results' tensors, and tells the tapes.
import { native, reserve, shared } from './addon'
import { currentDevice, deviceName } from './device'
import { ArgumentError, CaptureError, currentLayer, DeviceError, failure, fromNative, show, showShape } from './errors'
import { type DType, dtypes } from './native'
import { track } from './scope'
import { abstractly, captureDevice } from './state'
import { type Gradient, recordNode, watching } from './tape'
import { disposedError, SymbolicTensor, Tensor, Variable } from './tensor'

export type AttributeValue = number | boolean | readonly number[]
/** Attributes by their names in native/ops.def; enumerations as their numbers. */
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Shape and dtype of an output. */
export interface Spec {
  shape: readonly number[]
  dtype: DType
}

/** What an op of one output gives, computed by its shape rule, and how it is differentiated. */
export interface Plan extends Spec {
  attributes?: Attributes | undefined
  /** Absent: nothing flows back through this op. */
  gradient?: Gradient | undefined
  /** Where an op without inputs runs; default: the current device. */
  device?: number | undefined
}

/** The same for an op of several outputs. */
export interface PlanOfAll {
  outputs: readonly Spec[]
  attributes?: Attributes | undefined
  gradient?: Gradient | undefined
}

interface Op {
  index: number
  inputs: number
  outputs: number
  /** Names of attributes, and which are lists. */
  names: readonly string[]
  lists: readonly boolean[]
}

const ops = new Map<string, Op>(
  native.ops.map(({ name, inputs, outputs, attributes }, index) => [
    name,
    { index, inputs, outputs, names: attributes.map(([attribute]) => attribute), lists: attributes.map(([, kind]) => kind === 'list') }
  ])
)
const dtypeNumbers = Object.fromEntries(dtypes.map((dtype, i) => [dtype, i])) as Record<DType, number>
const noAttributes: Attributes = {}

/**
 * Runs an op of one output. `inputs` holds null for an operand that is left out.
 * @throws DeviceError if the inputs are on several devices; DisposedError; whatever the addon throws, as one of our classes
 */
export function run(name: string, inputs: readonly (Tensor | null)[], plan: Plan): Tensor {
  const device = deviceOf(name, inputs, plan.device)
  if (abstractly) return new Tensor(0, plan.shape, plan.dtype, device)
  submit(name, inputs, plan, undefined, device, plan.attributes)
  const result = new Tensor(shared.buffer[0]!, plan.shape, plan.dtype, device)
  track(result)
  if (watching && plan.gradient !== undefined) record(inputs, [result], plan.attributes, plan.gradient)
  return result
}

/** Runs an op of several outputs. */
export function runAll(name: string, inputs: readonly (Tensor | null)[], plan: PlanOfAll): Tensor[] {
  const device = deviceOf(name, inputs, undefined)
  if (abstractly) return plan.outputs.map(({ shape, dtype }) => new Tensor(0, shape, dtype, device))
  submit(name, inputs, undefined, plan.outputs, device, plan.attributes)
  const results = plan.outputs.map(({ shape, dtype }, i) => new Tensor(shared.buffer[i]!, shape, dtype, device))
  for (const result of results) track(result)
  if (watching && plan.gradient !== undefined) record(inputs, results, plan.attributes, plan.gradient)
  return results
}

/** Tensors that ops have written in place since this was last set to an empty set; null: nobody wants to know. */
export let written: Set<Tensor> | null = null

export function collectWritten(set: Set<Tensor> | null): void {
  written = set
}

/** Runs an op without outputs, which writes its first `writes` inputs (all of them: Infinity). */
export function runInPlace(name: string, inputs: readonly (Tensor | null)[], writes: number, attributes: Attributes | undefined): void {
  const device = deviceOf(name, inputs, undefined)
  if (abstractly) return
  submit(name, inputs, undefined, [], device, attributes)
  noteWritten(inputs, writes)
}

/** Number of the last write in place: tensors and nodes of tapes remember it, so that a gradient knows a value that is gone. */
export let lastWrite = 0

/** Says that an op wrote its first `writes` inputs in place. */
export function noteWritten(inputs: readonly (Tensor | null)[], writes: number): void {
  lastWrite++
  for (let i = 0; i < inputs.length && i < writes; i++) {
    const input = inputs[i]
    if (input == null) continue
    input.lastWrite = lastWrite
    written?.add(input)
  }
}

/** Runs an op and leaves the handles of its outputs in the buffer; no scope and no tape hears of them. */
export function execute(
  name: string,
  inputs: readonly (Tensor | null)[],
  outputs: readonly Spec[],
  device: number,
  attributes: Attributes | undefined
): void {
  submit(name, inputs, undefined, outputs, device, attributes)
}

/** Tells the tapes that watch an input. Integer results carry no gradient. */
export function record(
  inputs: readonly (Tensor | null)[],
  outputs: readonly Tensor[],
  attributes: Attributes | undefined,
  gradient: Gradient
): void {
  let tapes = 0
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]
    if (input != null) tapes |= input.tapes
  }
  if (tapes !== 0) recordNode(tapes, inputs, outputs, attributes ?? noAttributes, gradient)
}

/** The device of the inputs, all checked. */
function deviceOf(name: string, inputs: readonly (Tensor | null)[], wanted: number | undefined): number {
  let device = -1
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]
    if (input == null) continue
    if (!input.alive || input.handle === 0) refuse(name, `input ${i}`, input)
    if (input.lastWrite > unwritten) {
      const what = input instanceof Variable ? input.name : 'a tensor'
      throw failure(
        ArgumentError,
        name,
        `a gradient needs the value of ${what} from before it was written in place: assign to it outside of the function that is differentiated`
      )
    }
    if (device === -1) device = input.deviceIndex
    else if (input.deviceIndex !== device && !abstractly) {
      throw failure(
        DeviceError,
        name,
        `expected all tensors on one device, received one on ${deviceName(device)} and one on ${input.device}: use to()`
      )
    }
  }
  if (device === -1) device = wanted ?? currentDevice()
  if (captureDevice >= 0 && device !== captureDevice && !abstractly) {
    const message = `expected all work of a captured function on ${deviceName(captureDevice)}, received an op on ${deviceName(device)}`
    throw failure(CaptureError, name, message)
  }
  return device
}

function submit(
  name: string,
  inputs: readonly (Tensor | null)[],
  output: Spec | undefined,
  outputs: readonly Spec[] | undefined,
  device: number,
  attributes: Attributes | undefined
): void {
  const op = ops.get(name)
  if (op === undefined) throw new Error(`there is no op ${name} in native/ops.def`)
  const outputCount = output === undefined ? outputs!.length : 1
  // Ranks are at most 8, a list of attributes has at most 16 numbers.
  const out = reserve(9 + inputs.length + 10 * outputCount + 17 * op.names.length)
  out[0] = op.index
  out[1] = device
  out[2] = layerNumber()
  out[3] = inputs.length
  let at = 4
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]
    out[at++] = input == null ? 0 : input.handle
  }
  out[at++] = outputCount
  if (output !== undefined) at = packSpec(output, out, at)
  else for (let i = 0; i < outputCount; i++) at = packSpec(outputs![i]!, out, at)
  const { names, lists } = op
  for (let i = 0; i < names.length; i++) {
    const value = attributes![names[i]!]
    if (lists[i]) {
      const list = value as readonly number[]
      out[at++] = list.length
      for (let j = 0; j < list.length; j++) out[at++] = list[j]!
    } else out[at++] = value as number
  }
  try {
    native.submit()
  } catch (error) {
    throw fromNative(error, name)
  }
}

const layerNumbers = new Map<string, number>()
/** The layer of the last op and its number: ops of one layer mostly follow each other. */
let lastLayer: string | undefined
let lastNumber = 0

/** The number of the current layer, by which the addon names it in failures that surface later. */
function layerNumber(): number {
  if (currentLayer === lastLayer) return lastNumber
  lastLayer = currentLayer
  lastNumber = currentLayer === undefined ? 0 : (layerNumbers.get(currentLayer) ?? newLayerNumber(currentLayer))
  return lastNumber
}

function newLayerNumber(layer: string): number {
  const number = native.layerNumber(layer)
  layerNumbers.set(layer, number)
  return number
}

function packSpec({ shape, dtype }: Spec, out: Float64Array, at: number): number {
  out[at++] = dtypeNumbers[dtype]
  out[at++] = shape.length
  for (let i = 0; i < shape.length; i++) out[at++] = shape[i]!
  return at
}

/** Set while gradients are computed: they may use tensors that the user has disposed of and the tape still holds. */
let walking = 0

export function whileWalking<T>(fn: () => T): T {
  walking++
  try {
    return fn()
  } finally {
    walking--
  }
}

/** No tensor that has been written after this may be read: its value is not the one that the gradient depends on. */
let unwritten = Number.POSITIVE_INFINITY

/** Runs `fn`, the gradient of what ran when `write` was the last write, with ops that refuse what has been written since. */
export function asOf<T>(write: number, fn: () => T): T {
  const outer = unwritten
  unwritten = write
  try {
    return fn()
  } finally {
    unwritten = outer
  }
}

/**
 * Checks an argument that must be a tensor.
 * @throws ArgumentError for anything else, with the way out for a symbolic tensor; DisposedError
 */
export function expectTensor(name: string, parameter: string, x: unknown): asserts x is Tensor {
  if (!(x instanceof Tensor) || !x.alive || x.handle === 0) refuse(name, parameter, x)
}

function refuse(name: string, parameter: string, x: unknown): void {
  if (x instanceof SymbolicTensor) {
    throw failure(
      ArgumentError,
      name,
      `expected ${parameter} to be a tensor, received the symbolic ${showShape(x.shape)} of ${x.name}: wrap the formula in layers.lambda({ function: … })`
    )
  }
  if (!(x instanceof Tensor)) throw failure(ArgumentError, name, `expected ${parameter} to be a tensor, received ${show(x)}`)
  if (!x.alive) {
    if (x.handle === 0 || walking === 0) throw disposedError(name, parameter, x)
  } else if (!abstractly) {
    throw failure(
      ArgumentError,
      name,
      `expected ${parameter} to be a tensor, received an abstract one of shape ${showShape(x.shape)}: use it only inside call()`
    )
  }
}
