// The methods of Tensor: the functions of lib/ops, with the tensor as their first argument. No second list.
import type * as ops from './ops'
import type { Tensor } from './tensor'

/** An op as a method: without its first parameter. Ops that do not start with a tensor have none. */
// biome-ignore lint/suspicious/noExplicitAny: inference of any parameter list
export type Method<F> = F extends (x: Tensor, ...rest: infer R extends any[]) => infer T ? (...rest: R) => T : never

/** Every op, typed as a method. */
export type OpMethods = { [K in keyof typeof ops]: Method<(typeof ops)[K]> }

type Fn = (...args: unknown[]) => unknown

/** Puts the ops on a prototype. No op has more than four parameters. */
export function installMethods(prototype: object, functions: Record<string, unknown>): void {
  for (const [name, fn] of Object.entries(functions)) {
    if (typeof fn !== 'function' || Object.hasOwn(prototype, name)) continue
    const op = fn as Fn
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value: function (this: Tensor, a: unknown, b: unknown, c: unknown) {
        return op(this, a, b, c)
      }
    })
  }
}
