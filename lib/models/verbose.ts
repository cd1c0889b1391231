// What `verbose` means for fit, evaluate and predict.
import type { Callback } from '../callbacks/callback'
import { progressBar } from '../callbacks/progress-bar'
import { ArgumentError, failure, show } from '../errors'

/** 0: silent; 1: a bar (one line per epoch if the output is no terminal); 2: one line per epoch; `auto`: 1 on a terminal, else 2. */
export type Verbosity = 0 | 1 | 2 | 'auto'

/** The callback that prints, if anything is to be printed. @throws ArgumentError */
export function barFor(where: string, verbose: Verbosity): Callback[] {
  if (verbose === 0) return []
  if (verbose === 1 || verbose === 'auto') return [progressBar()]
  if (verbose === 2) return [progressBar({ moving: false })]
  throw failure(ArgumentError, where, `expected verbose to be 0, 1, 2 or "auto", received ${show(verbose)}`)
}
