// The progress bar: on a terminal a line that moves, with the time that is left; elsewhere one line per epoch.
import { checkOptions, type NamesOf } from '../arguments'
import type { Callback, CallbackParams, Logs } from './callback'

/** Where the bar is drawn: process.stdout, or what a test gives. */
export interface ProgressStream {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
}

export interface ProgressBarOptions {
  stream?: ProgressStream | undefined
  /** Whether the line is drawn again and again. Default: if the stream is a terminal. */
  moving?: boolean | undefined
  /** The time in milliseconds. */
  now?: (() => number) | undefined
}

const progressBarOptions: NamesOf<ProgressBarOptions> = { stream: 'optional', moving: 'optional', now: 'optional' }

const barWidth = 20

/**
 * Draws the progress of fit, evaluate or predict, in the manner of Keras. fit uses it by itself, see `verbose`.
 * While a step is under way the time is what is left, at the end what was needed.
 */
export function progressBar(options: ProgressBarOptions = {}): Callback {
  const { stream = process.stdout, now = () => performance.now() } = checkOptions('progressBar', options, progressBarOptions)
  const { moving = stream.isTTY === true } = options
  let params: CallbackParams = { epochs: 1, steps: undefined }
  let title = ''
  let begin = 0
  let training = false
  let done = 0

  const start = (name: string): void => {
    title = name
    begin = now()
    done = 0
    if (moving && name !== '') stream.write(`${name}\n`)
  }
  const update = (steps: number, logs: Logs): void => {
    done = Math.max(done, steps)
    if (moving) stream.write(`\r\x1b[K${cut(drawLine(done, params.steps, now() - begin, logs, false), stream.columns)}`)
  }
  const finish = (steps: number | undefined, logs: Logs): void => {
    const line = drawLine(steps ?? done, steps ?? done, now() - begin, logs, true, moving)
    stream.write(moving ? `\r\x1b[K${line}\n` : `${title === '' ? '' : `${title} - `}${line}\n`)
  }
  return {
    setParams: (given) => {
      params = given
    },
    onTrainBegin(): void {
      training = true
    },
    onTrainEnd(): void {
      training = false
    },
    onEpochBegin(epoch: number): void {
      start(`Epoch ${epoch + 1}/${params.epochs}`)
    },
    // Without a terminal nothing is drawn in between, and nothing needs to be read.
    ...(moving && { onProgress: update }),
    onEpochEnd: (_epoch, logs) => finish(params.steps, logs),
    onTestBegin(): void {
      if (!training) start('')
    },
    onTestEnd(logs: Logs): void {
      if (!training) finish(params.steps, logs)
    },
    onPredictBegin: () => start(''),
    onPredictEnd: () => finish(params.steps, {})
  }
}

/** One line: steps, bar, time and logs. */
export function drawLine(done: number, total: number | undefined, ms: number, logs: Logs, ended: boolean, bar = true): string {
  const parts: string[] = []
  const width = String(total ?? done).length
  const count = `${String(done).padStart(width)}/${total ?? '?'}`
  const perStep = done > 0 ? ms / done : 0
  const left = total === undefined ? undefined : perStep * (total - done)
  const time = ended || left === undefined ? formatTime(ms) : formatTime(left)
  const speed = done > 0 ? formatStepTime(perStep) : ''
  if (bar) parts.push([count, drawBar(done, total), time, speed].filter(Boolean).join(' '))
  else parts.push(count, time, speed)
  for (const [key, value] of Object.entries(logs)) parts.push(`${key}: ${formatValue(value)}`)
  return parts.filter(Boolean).join(' - ')
}

function drawBar(done: number, total: number | undefined): string {
  if (total === undefined) return ''
  const filled = total === 0 ? barWidth : Math.floor((barWidth * Math.min(done, total)) / total)
  return '━'.repeat(filled) + '╌'.repeat(barWidth - filled)
}

// A line that wraps could not be overwritten.
function cut(line: string, columns = 80): string {
  return line.length < columns ? line : line.slice(0, columns - 1)
}

function formatValue(value: number): string {
  return Math.abs(value) > 1e-3 || value === 0 ? value.toFixed(4) : value.toExponential(4)
}

/** `45s`, `2:05`, `1:02:05`. */
export function formatTime(ms: number): string {
  const seconds = Math.round(ms / 1e3)
  if (seconds < 60) return `${seconds}s`
  const two = (n: number): string => String(n).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`
}

/** `3s/step`, `7ms/step`, `45us/step`. */
export function formatStepTime(ms: number): string {
  if (ms >= 999.5) return `${Math.round(ms / 1e3)}s/step`
  if (ms >= 0.9995) return `${Math.round(ms)}ms/step`
  return `${Math.round(ms * 1e3)}us/step`
}
