// The contract with the native addon: everything that crosses the boundary, typed. Only lib/device.ts, op.ts, capture.ts and tensor.ts call it.

export type DType = 'float32' | 'bfloat16' | 'int32' | 'uint8' | 'bool'
/** The dtypes in the order of native/tensor.h: their index is what crosses the boundary. */
export const dtypes: readonly DType[] = ['float32', 'bfloat16', 'int32', 'uint8', 'bool']

/** Bytes of an element. */
export const dtypeBytes: Readonly<Record<DType, number>> = { float32: 4, bfloat16: 2, int32: 4, uint8: 1, bool: 1 }

/** A tensor's handle: generation · 2³² + slot. 0 is no tensor. */
export type Handle = number

export interface NativeOp {
  name: string
  /** Number of inputs; -1: any. */
  inputs: number
  outputs: number
  /** Name and kind of each attribute, in the order in which they are packed: a number each, a list as its length and its values. */
  attributes: [name: string, kind: 'number' | 'list'][]
}

export interface NativeDevice {
  /** `cpu`, `cuda` (the first GPU), `cuda:1`, … */
  name: string
  type: 'cpu' | 'cuda'
  usable: boolean
  /** Why it is not usable. */
  reason?: string
  description: string
  /** Bytes of memory that the device has. */
  memory: number
  /** CUDA compute capability, such as `9.0`; on the CPU the instruction set in use. */
  capability?: string
}

export interface NativeMemory {
  tensors: number
  bytes: number
  pool: number
  peak: number
  allocations: number
}

/**
 * The addon. Every function throws an Error with a `code` that is the name of a class in lib/errors.ts (op.ts turns it into that class).
 * Devices are numbers: indices into `devices()`. "Buffer" is the Float64Array given to `setBuffer`.
 */
export interface Native {
  readonly version: string
  readonly opsHash: string
  readonly buildInfo: string
  readonly ops: NativeOp[]

  /** Probes all devices (once); the CPU is index 0. Unusable GPUs are listed with their reason; a build without CUDA lists one `cuda` entry with the reason. */
  devices(): NativeDevice[]
  /** Instruction set, threads and what else `neurite info` prints, as pairs of label and text. */
  info(): [string, string][]

  /** Registers the argument buffer of this environment; called again with a larger one when it must grow. */
  setBuffer(buffer: Float64Array): void
  /**
   * Runs one op. Buffer: op, device, layer (0: none), inputs, input handles (0: absent) …, outputs, per output (dtype, rank, dims …), attributes …
   * On return the output handles stand at the buffer's start.
   */
  submit(): void
  /** Tensor from host data, copied at the call. Buffer: rank, dims … */
  upload(device: number, dtype: number, data: ArrayBufferView): Handle
  /** Another handle on the same memory with another shape of equal size. Buffer: rank, dims … */
  view(handle: Handle): Handle
  /** Gives back handles; the memory is reusable in stream order. Buffer: the handles. */
  release(count: number): void
  /** Copies the tensor to another device (in order on both). */
  transfer(handle: Handle, device: number): Handle
  /**
   * Fills `out` (as many bytes as the tensor has, bfloat16 as raw uint16) when everything submitted before has run: undefined if that is
   * so already and `out` is filled.
   */
  read(handle: Handle, out: ArrayBufferView): Promise<void> | undefined
  /** Fills the beginning of the buffer with the tensor's `bytes`, as `read`, if everything submitted before has run; false if it has not. */
  readNow(handle: Handle, bytes: number): boolean
  readSync(handle: Handle, out: ArrayBufferView): void
  /**
   * Resolves when everything submitted before has run (undefined if it has); rejects, or throws, the first failure of the run that nobody has
   * been told of. Run 0 is what belongs to no other.
   */
  synchronize(device: number, run: number): Promise<void> | undefined
  /** A number for work whose failures are kept apart until `endRun`. */
  beginRun(): number
  /** What is submitted from now on belongs to this run. */
  setRun(run: number): void
  endRun(run: number): void

  /** Starts recording what this environment submits on `device` into a program, while it runs as always. Buffer: handles of the inputs. */
  beginRecording(device: number, inputs: number): void
  /** Ends recording. Buffer: handles of the results. Returns the program. Handles stay valid and owned by the caller. */
  endRecording(results: number): number
  /** Throws the recording away. */
  abortRecording(): void
  /** Runs a program. Buffer: input handles; on return: a new handle for each result. */
  replay(program: number, inputs: number): void
  releaseProgram(program: number): void

  memory(device: number): NativeMemory
  /** Bytes that the device's allocator may hold. */
  setMemoryLimit(device: number, bytes: number): void
  resetPeak(device: number): void
  /** The number by which `submit` knows the layer of this name; never 0. */
  layerNumber(name: string): number
  /** With true, every op is followed by a synchronisation, so that a failure throws where it was submitted. Also NEURITE_DEBUG_SYNC=1. */
  setDebugSync(on: boolean): void
}
