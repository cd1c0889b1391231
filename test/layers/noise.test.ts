// The random layers: against Keras where they do nothing, and in training against the numbers that a generator of the same seed draws.
import { ArgumentError, capture, type Layer, layers, ones, ShapeError, type Tensor, tensor, valueAndGrad, zeros } from '../../lib'
import { show, showShape } from '../../lib/errors'
import { Generator } from '../../lib/random'
import { layerSuite } from '../support/layer-suite'
import { onEveryDevice } from '../support/op-suite'

for (const name of ['gaussianNoise', 'gaussianDropout', 'alphaDropout', 'activityRegularization']) layerSuite(name)
for (const axes of ['1d', '2d', '3d']) layerSuite(`spatialDropout${axes}`)

const seed = 7
const train = { training: true }
const numbers = async (t: Tensor): Promise<number[]> => [...(await t.data())]
/** The gradient of the sum of the layer's output in training. */
const gradient = async (layer: Layer, x: Tensor): Promise<number[]> =>
  numbers(valueAndGrad(() => layer.apply(x, train).sum(), [x]).grads[0]!)

onEveryDevice(() => {
  const values = Array.from({ length: 12 }, (_, i) => Math.sin(i) + 0.1)

  test('gaussianNoise adds what a generator of its seed draws', async () => {
    const x = tensor(values, [3, 4])
    const noise = new Generator({ seed }).normal([3, 4], { stddev: 0.5 })
    expect(await numbers(layers.gaussianNoise({ stddev: 0.5, seed }).apply(x, train))).toEqual(await numbers(x.add(noise)))
    expect((await gradient(layers.gaussianNoise({ stddev: 0.5 }), x)).every((g) => g === 1)).toBe(true)
  })

  test('gaussianDropout multiplies with what a generator of its seed draws', async () => {
    const x = tensor(values, [3, 4])
    const noise = new Generator({ seed }).normal([3, 4], { mean: 1, stddev: Math.sqrt(0.2 / 0.8) })
    expect(await numbers(layers.gaussianDropout({ rate: 0.2, seed }).apply(x, train))).toEqual(await numbers(x.mul(noise)))
    expect(await gradient(layers.gaussianDropout({ rate: 0.2, seed }), x)).toEqual(await numbers(noise))
  })

  test('alphaDropout replaces by the lowest value of selu, and keeps mean 0 and variance 1', async () => {
    const [rate, size] = [0.3, 40_000]
    const x = new Generator({ seed: 1 }).normal([4, size / 4])
    const layer = layers.alphaDropout({ rate, seed })
    const [given, y] = [await numbers(x), await numbers(layer.apply(x, train))]
    const lowest = -1.7580993408473766
    const a = 1 / Math.sqrt((1 - rate) * (1 + rate * lowest ** 2))
    const b = -a * lowest * rate
    const replaced = y.filter((v) => Math.abs(v - (a * lowest + b)) < 1e-5).length
    expect(y.every((v, i) => Math.abs(v - (a * given[i]! + b)) < 1e-5 || Math.abs(v - (a * lowest + b)) < 1e-5)).toBe(true)
    // Five standard deviations of a share, a mean and a variance of so many independent elements.
    expect(Math.abs(replaced / size - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / size))
    const mean = y.reduce((sum, v) => sum + v) / size
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(size))
    expect(Math.abs(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size - 1)).toBeLessThan(5 * Math.sqrt(2 / size))
    const slopes = await gradient(layers.alphaDropout({ rate, seed }), x)
    expect(slopes.every((g, i) => Math.abs(g - (Math.abs(y[i]! - (a * lowest + b)) < 1e-5 ? 0 : a)) < 1e-6)).toBe(true)
  })

  test('a noise shape leaves rows out together', async () => {
    for (const kind of ['dropout', 'alphaDropout'] as const) {
      const y = await numbers(layers[kind]({ rate: 0.5, noiseShape: [null, 1], seed }).apply(ones([64, 5]), train))
      const rows = Array.from({ length: 64 }, (_, i) => new Set(y.slice(5 * i, 5 * i + 5)))
      expect(rows.every(({ size }) => size === 1)).toBe(true)
      expect(new Set(y).size).toBe(2)
    }
  })

  test.each([1, 2, 3] as const)('spatialDropout%sd leaves whole channels out, of each sample its own', async (axes) => {
    const places = [3, 2, 2].slice(0, axes)
    const area = places.reduce((a, b) => a * b)
    const [batch, channels] = [8, 16]
    const make = layers[`spatialDropout${axes}d`]
    const last = make({ rate: 0.25, seed }).apply(ones([batch, ...places, channels]), train)
    const first = make({ rate: 0.25, seed, dataFormat: 'channelsFirst' }).apply(ones([batch, channels, ...places]), train)
    const maps = (await numbers(first.reshape([batch * channels, area]))).reduce<number[][]>((rows, v, i) => {
      if (i % area === 0) rows.push([])
      rows.at(-1)!.push(v)
      return rows
    }, [])
    expect(maps.every((map) => map.every((v) => v === map[0]))).toBe(true)
    const kept = maps.map((map) => map[0]!)
    expect([...new Set(kept)].sort()).toEqual([0, Math.fround(1 / 0.75)])
    expect(new Set(Array.from({ length: batch }, (_, i) => String(kept.slice(channels * i, channels * (i + 1))))).size).toBe(batch)
    expect(await numbers(last.moveaxis(-1, 1))).toEqual(maps.flat())
    expect((await numbers(make({ rate: 1 }).apply(ones([2, ...places, 3]), train))).every((v) => v === 0)).toBe(true)
  })

  test('each call draws anew, captured as eager', async () => {
    const x = ones([4, 8])
    for (const make of [
      () => layers.gaussianNoise({ stddev: 1, seed }),
      () => layers.gaussianDropout({ rate: 0.5, seed }),
      () => layers.alphaDropout({ rate: 0.5, seed })
    ]) {
      const [eager, recorded] = [make(), make()]
      const step = capture((t: Tensor) => recorded.apply(t, train))
      const seen: string[] = []
      for (let i = 0; i < 4; i++) {
        const y = await numbers(step(x))
        expect(y).toEqual(await numbers(eager.apply(x, train)))
        seen.push(String(y))
      }
      expect(new Set(seen).size).toBe(4)
      step.dispose()
    }
  })
})

test('activityRegularization is written without the regularizer that it makes', () => {
  const layer = layers.activityRegularization({ l1: 0.1, name: 'a' })
  expect(layer.getConfig()).toEqual({ name: 'a', trainable: true, dtype: 'float32', l1: 0.1, l2: 0 })
})

test('errors name the layer and what it expects', () => {
  const bad: [typeof ArgumentError, () => unknown, string][] = [
    [
      ArgumentError,
      () => layers.gaussianNoise({ stddev: -1 }),
      '[gaussianNoise] expected stddev to be a finite number of at least 0, received -1'
    ],
    [
      ArgumentError,
      () => layers.gaussianDropout({ rate: 1 }),
      '[gaussianDropout] expected rate to be a finite number of at least 0 and less than 1'
    ],
    [
      ArgumentError,
      () => layers.alphaDropout({ rate: 1 }),
      '[alphaDropout] expected rate to be a finite number of at least 0 and less than 1'
    ],
    ...(['dropout', 'alphaDropout'] as const).flatMap((kind): typeof bad => [
      ...[3, [2.5, 1], [0, 1], [-1, 1], [undefined, 1]].map((noiseShape): (typeof bad)[number] => [
        ArgumentError,
        () => layers[kind]({ rate: 0.5, noiseShape: noiseShape as unknown as null }),
        `[${kind}] expected noiseShape to be a list of positive integers or null, received ${show(noiseShape)}`
      ]),
      ...[
        [5, 1, 5, 5, 3],
        [null, 1],
        [2, 5, 5, 3],
        [1, 5, 4, 3]
      ].map((noiseShape): (typeof bad)[number] => [
        ShapeError,
        () => layers[kind]({ rate: 0.5, noiseShape, name: 'd' }).apply(zeros([1, 5, 5, 3])),
        `[${kind} "d"] expected an input of which noiseShape ${showShape(noiseShape)} is a mask, received [1, 5, 5, 3]`
      ])
    ]),
    [ArgumentError, () => layers.spatialDropout2d({ rate: 2 }), '[spatialDropout2d] expected rate to be'],
    [
      ShapeError,
      () => layers.spatialDropout2d({ name: 's', rate: 0.5 }).apply(zeros([2, 3, 4])),
      '[spatialDropout2d "s"] expected an input of rank 4, received [2, 3, 4]'
    ],
    [ArgumentError, () => layers.activityRegularization({ l1: -1 }), 'expected l1 to be a finite number of at least 0, received -1'],
    [ArgumentError, () => layers.activityRegularization(0.1 as unknown as object), 'expected one object of options, received 0.1']
  ]
  for (const [Type, run, message] of bad) {
    expect(run).toThrow(Type)
    expect(run).toThrow(message)
  }
})
