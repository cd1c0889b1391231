// Regularizers against Keras, their names and configs.
import { ArgumentError, regularizers, type Tensor, tensor } from '../lib'
import type { Serialized } from '../lib/serialization'
import goldens from './goldens/regularizers.golden.json'
import { expectClose, fromGolden, type GoldenArray } from './support/golden'
import { onEveryDevice } from './support/op-suite'

interface RegularizerGolden {
  regularizer: 'l1' | 'l2' | 'l1l2'
  options: Record<string, number>
  w: GoldenArray
  value: GoldenArray
}

describe('regularizers', () => {
  onEveryDevice((device) => {
    const cases = (goldens as RegularizerGolden[]).map(
      (golden) => [`${golden.regularizer} ${JSON.stringify(golden.options)}`, golden] as const
    )
    test.each(cases)('%s', async (title, golden) => {
      const regularizer = regularizers[golden.regularizer](golden.options)
      await expectClose(regularizer.penalty(fromGolden(golden.w)), golden.value, `${device.name} ${title}`, 1e-6)
      const again = regularizers.get(JSON.parse(JSON.stringify(regularizers.serialize(regularizer))) as Serialized)!
      expect(again.constructor).toBe(regularizer.constructor)
      expect(again.getConfig()).toEqual(regularizer.getConfig())
    })
  })
})

test('a factor, a name, a function, or none', async () => {
  expect(regularizers.l2(0.5).getConfig()).toEqual({ l2: 0.5 })
  expect(regularizers.get('l1')!.getConfig()).toEqual({ l1: 0.01 })
  expect(regularizers.get(null)).toBeUndefined()
  function largest(w: Tensor): Tensor {
    return w.abs().max()
  }
  expect(
    await regularizers
      .get(largest)!
      .penalty(tensor([1, -3]))
      .item()
  ).toBe(3)
})

test('options that are wrong', () => {
  expect(() => regularizers.l2(-1)).toThrow(ArgumentError)
  expect(() => regularizers.l2(-1)).toThrow('expected l2 to be a finite number of at least 0, received -1')
  expect(() => regularizers.get('L3' as 'l1')).toThrow("unknown regularizer 'L3': did you mean 'l1'?")
})
