// Leaves the event loop a turn.

/** Resolves in a later turn of the event loop: timers and input are served in between. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
