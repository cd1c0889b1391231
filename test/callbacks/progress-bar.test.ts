// What the progress bar draws, on a terminal and in a log file.
import { drawLine, formatStepTime, formatTime, progressBar } from '../../lib/callbacks/progress-bar'
import type { Model } from '../../lib/models/model'

const model = {} as Model
function setup(isTTY: boolean, columns?: number) {
  const out = { text: '', time: 0 }
  const bar = progressBar({ stream: { isTTY, columns, write: (t: string) => (out.text += t) }, now: () => out.time })
  return { out, bar }
}

test('on a terminal the line is drawn anew, with the time that is left', () => {
  const { out, bar } = setup(true)
  bar.setParams!({ epochs: 2, steps: 10 })
  bar.onTrainBegin!({}, model)
  bar.onEpochBegin!(0, {}, model)
  out.time = 1000
  bar.onProgress!(5, { loss: 0.5 }, model)
  out.time = 2040
  bar.onEpochEnd!(0, { loss: 0.25, val_loss: 0.0005 }, model)
  expect(out.text.split('\r\x1b[K')).toEqual([
    'Epoch 1/2\n',
    ' 5/10 ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌ 1s 200ms/step - loss: 0.5000',
    '10/10 ━━━━━━━━━━━━━━━━━━━━ 2s 204ms/step - loss: 0.2500 - val_loss: 5.0000e-4\n'
  ])
})

test('a line never wraps', () => {
  const { out, bar } = setup(true, 30)
  bar.setParams!({ epochs: 1, steps: 10 })
  bar.onEpochBegin!(0, {}, model)
  bar.onProgress!(5, { loss: 0.5 }, model)
  expect(out.text.split('\r\x1b[K')[1]).toHaveLength(29)
})

test('elsewhere one line per epoch', () => {
  const { out, bar } = setup(false)
  bar.setParams!({ epochs: 3, steps: 4 })
  bar.onTrainBegin!({}, model)
  for (let epoch = 0; epoch < 2; epoch++) {
    bar.onEpochBegin!(epoch, {}, model)
    out.time += 2
    bar.onTestBegin!({}, model)
    bar.onTestEnd!({ loss: 3 }, model)
    bar.onEpochEnd!(epoch, { loss: 1 }, model)
  }
  expect(bar.onProgress).toBeUndefined()
  expect(out.text).toBe('Epoch 1/3 - 4/4 - 0s - 500us/step - loss: 1.0000\nEpoch 2/3 - 4/4 - 0s - 500us/step - loss: 1.0000\n')
})

test('the number of steps may be unknown', () => {
  const { out, bar } = setup(true)
  bar.setParams!({ epochs: 1, steps: undefined })
  bar.onEpochBegin!(0, {}, model)
  out.time = 3000
  bar.onProgress!(3, {}, model)
  bar.onEpochEnd!(0, {}, model)
  expect(out.text.split('\r\x1b[K').slice(1)).toEqual(['3/? 3s 1s/step', '3/3 ━━━━━━━━━━━━━━━━━━━━ 3s 1s/step\n'])
})

test('evaluate and predict have a bar without an epoch', () => {
  const { out, bar } = setup(false)
  bar.setParams!({ epochs: 1, steps: 2 })
  bar.onTestBegin!({}, model)
  out.time = 10
  bar.onTestEnd!({ loss: 2 }, model)
  expect(out.text).toBe('2/2 - 0s - 5ms/step - loss: 2.0000\n')
})

test('times', () => {
  expect([0, 400, 59_400, 59_600, 125_000, 3_725_000].map(formatTime)).toEqual(['0s', '0s', '59s', '1:00', '2:05', '1:02:05'])
  expect([0.0126, 0.9996, 7.4, 999.6, 2600].map(formatStepTime)).toEqual(['13us/step', '1ms/step', '7ms/step', '1s/step', '3s/step'])
  expect(drawLine(0, 10, 0, {}, false)).toBe(' 0/10 ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0s')
})
