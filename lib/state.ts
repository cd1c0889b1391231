// What this environment is in the middle of: running ops on abstract tensors, or inside a captured function.
import { CaptureError, failure } from './errors'

/** True while ops stop after their shape rule and give abstract tensors. */
export let abstractly = false

/** Runs `fn` with ops that only compute shapes and dtypes. Dimensions that are not known are NaN, so that arithmetic keeps them unknown. */
export function runAbstractly<T>(fn: () => T): T {
  return withAbstract(true, fn)
}

/** Runs `fn` with ops that compute, also inside `runAbstractly`: layers build their weights so. */
export function runConcretely<T>(fn: () => T): T {
  return withAbstract(false, fn)
}

function withAbstract<T>(value: boolean, fn: () => T): T {
  const outer = abstractly
  abstractly = value
  try {
    return fn()
  } finally {
    abstractly = outer
  }
}

/** The device of the captured function that is being run (warmed up or recorded), else -1. */
export let captureDevice = -1

export function setCaptureDevice(device: number): void {
  captureDevice = device
}

/**
 * Called by everything that a replay could not repeat: reading on the host, `fit`, a nested `capture`.
 * @throws CaptureError inside a captured function
 */
export function refuseInCapture(what: string): void {
  if (captureDevice >= 0)
    throw failure(CaptureError, 'capture', `${what} inside a captured function cannot be replayed: move it out of the function`)
}

/** Starts asynchronous work, but not inside a captured function: there it throws, since a promise that rejects would not stop that function. */
export function outsideCapture<T>(what: string, fn: () => Promise<T>): Promise<T> {
  refuseInCapture(what)
  return fn()
}
