// Devices: what there is, which one new tensors are made on, and how much memory they use.
import { native } from './addon'
import { checkOptions, type NamesOf } from './arguments'
import { ArgumentError, DeviceError, failure, fromNative, show } from './errors'
import { captureDevice, outsideCapture } from './state'

/** A device that was looked for, whether it can be used, and if not, why. */
export interface Device {
  /** `cpu`, `cuda` (the first GPU), `cuda:1`, … */
  name: string
  type: 'cpu' | 'cuda'
  usable: boolean
  /** Why it cannot be used. */
  reason?: string
  description: string
  /** Bytes of memory that the device has; on the CPU at most what the control group allows. */
  memory: number
  /** CUDA compute capability such as `9.0`; on the CPU the instruction set in use. */
  capability?: string
}

/** Memory of a device. */
export interface MemoryInfo {
  /** Live tensors. */
  tensors: number
  /** Bytes in use by tensors and programs. */
  bytes: number
  /** Bytes that the allocator holds, in use or cached. */
  pool: number
  /** The largest `bytes` so far. */
  peak: number
}

let known: Device[] | undefined
let current: number | undefined

function all(): Device[] {
  try {
    known ??= native.devices()
  } catch (error) {
    // NEURITE_CPU may name an instruction set that there is not.
    throw fromNative(error, 'devices')
  }
  return known
}

/** The devices of this machine, usable or not, the CPU first. @throws ArgumentError if NEURITE_CPU names no instruction set */
export function devices(): Device[] {
  return all().map((device) => ({ ...device }))
}

/** Name of a device by its number. */
export function deviceName(device: number): string {
  return all()[device]!.name
}

/**
 * Number of a usable device by its name.
 * @throws DeviceError with the reason if it cannot be used
 */
export function deviceNumber(name: string, where: string): number {
  if (typeof name !== 'string') throw failure(ArgumentError, where, `expected the name of a device, received ${show(name)}`)
  const wanted = name === 'cuda:0' ? 'cuda' : name
  const index = all().findIndex((device) => device.name === wanted)
  const device = all()[index]
  if (device === undefined) {
    const names = all().map((d) => (d.usable ? d.name : `${d.name} (not usable: ${d.reason})`))
    throw failure(DeviceError, where, `there is no device ${name}; there is ${names.join(', ')}`)
  }
  if (!device.usable) throw failure(DeviceError, where, `${name} cannot be used: ${device.reason}`)
  return index
}

/** Number of the device on which new tensors are made: inside a captured function the one that it runs on. */
export function currentDevice(): number {
  if (captureDevice >= 0) return captureDevice
  if (current === undefined) {
    const wanted = process.env.NEURITE_DEVICE
    if (wanted) current = deviceNumber(wanted, 'NEURITE_DEVICE')
    else
      current = Math.max(
        0,
        all().findIndex((device) => device.type === 'cuda' && device.usable)
      )
  }
  return current
}

/**
 * Says where new tensors and models are created. The default is `cuda` if it is usable, else `cpu`; the environment variable
 * NEURITE_DEVICE names another.
 * @throws DeviceError if there is no such device or it cannot be used, with the reason
 */
export function setDevice(name: string): void {
  current = deviceNumber(name, 'setDevice')
}

/** Live tensors and bytes of the current device. */
export function memory(): MemoryInfo {
  return memoryOf(currentDevice())
}

/** Live tensors and bytes of a device. */
export function memoryOf(device: number): MemoryInfo {
  const { tensors, bytes, pool, peak } = native.memory(device)
  return { tensors, bytes, pool, peak }
}

/** Options of `setMemoryLimit`. */
export interface MemoryLimitOptions {
  /** Name of the device; default: the one chosen by `setDevice`. */
  device?: string | undefined
}

const memoryLimitOptions: NamesOf<MemoryLimitOptions> = { device: 'optional' }

/**
 * Caps what a device's allocator may hold; more than the device's `memory` means all of that. What it holds beyond the new limit is
 * given back as far as no tensor uses it, once the ops that were called before have run.
 * @throws ArgumentError if `bytes` is not a positive number
 */
export function setMemoryLimit(bytes: number, options: MemoryLimitOptions = {}): void {
  const { device } = checkOptions('setMemoryLimit', options, memoryLimitOptions)
  if (!(typeof bytes === 'number' && bytes > 0)) {
    throw failure(ArgumentError, 'setMemoryLimit', `expected a positive number of bytes, received ${show(bytes)}`)
  }
  const index = device === undefined ? currentDevice() : deviceNumber(device, 'setMemoryLimit')
  native.setMemoryLimit(index, Math.min(bytes, all()[index]!.memory))
}

/** Resolves when everything submitted to the current device has run; rejects with a failure that nobody has been told of. */
export function synchronize(): Promise<void> {
  return outsideCapture('synchronize()', async () => {
    try {
      await native.synchronize(currentDevice(), 0)
    } catch (error) {
      throw fromNative(error, 'synchronize')
    }
  })
}
