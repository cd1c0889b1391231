// layerSuite: runs a layer's golden cases on every device that is there. Checks output, gradients, penalty, number of parameters, the
// shape found without data, the config's round trip, bfloat16, a captured training step against an eager one, and that nothing leaks.
import { capture, input, type Layer, layers, memory, optimizers, scope, setPrecision, type Tensor, valueAndGrad } from '../../lib'
import type { Serialized } from '../../lib/serialization'
import type { Structure } from '../../lib/structure'
import goldens from '../goldens/layers.golden.json'
import { collected } from './collected'
import { expectClose, fromGolden, type GoldenArray } from './golden'
import { onEveryDevice } from './op-suite'

interface LayerGolden {
  layer: string
  options: Record<string, unknown>
  /** One input, or an array of them; `dx` likewise. */
  x: GoldenArray | GoldenArray[]
  y: GoldenArray
  /** The gradients are those of sum(y · seed) + penalty. */
  seed: GoldenArray
  weights: GoldenArray[]
  dx: GoldenArray | GoldenArray[]
  dw: GoldenArray[]
  penalty: GoldenArray
  parameters: number
  /** Whether y and the gradients are those of a call in training; then `after` has the weights that it leaves behind. */
  training?: boolean
  after?: GoldenArray[]
  /** The weights after a step of SGD with rate 0.5 along the gradients. */
  stepped?: GoldenArray[]
}

const listOf = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value])

type Factory = (options: object) => Layer

/** Options as a user writes them: the goldens hold l1 and l2 of a regularizer. */
function userOptions(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key,
      key.endsWith('Regularizer') ? { className: 'L1L2', config: value as object } : value
    ])
  )
}

/** Declares the tests of a layer: those of all its cases in layers.golden.json. */
export function layerSuite(name: string): void {
  const cases = (goldens as unknown as LayerGolden[]).filter(({ layer }) => layer === name)
  if (cases.length === 0) throw new Error(`there is no golden of ${name}`)
  describe(name, () => {
    beforeAll(() => setPrecision('highest'))
    onEveryDevice((device) => {
      test.each(cases.map((golden) => [JSON.stringify(golden.options), golden] as const))('%s', async (title, golden) => {
        await collected()
        const { tensors } = memory()
        await check(`${device.name} ${name} ${title}`, layers[name as 'dense'] as unknown as Factory, golden)
        expect(memory().tensors).toBe(tensors)
      })
    })
  })
}

/** The loss with what the layer adds to it: read after the call that `loss` comes from. */
const withLosses = (layer: Layer, loss: Tensor): Tensor => layer.losses.reduce((sum, added) => sum.add(added), loss)

async function check(what: string, factory: Factory, golden: LayerGolden): Promise<void> {
  const owned: { dispose(): void }[] = []
  const own = <T extends { dispose(): void }>(value: T): T => {
    owned.push(value)
    return value
  }
  const make = (options: object = {}): Layer => own(factory({ ...userOptions(golden.options), ...options }))
  const inputs = listOf(golden.x)
  const xs = inputs.map((input) => own(fromGolden(input)))
  /** One value for each input in the form that the layer takes. */
  const formed = <T>(values: readonly T[]): T | readonly T[] => (Array.isArray(golden.x) ? values : values[0]!)
  const [x, shapes] = [formed(xs), formed(inputs.map(({ shape }) => shape))]
  const seed = own(fromGolden(golden.seed))
  const values = golden.weights.map((w) => own(fromGolden(w)))

  const layer = make()
  expect(layer.built).toBe(false)
  layer.build(shapes)
  layer.setWeights(values)
  const { training = false } = golden
  await expectClose(own(layer.apply(x, { training })), golden.y, `${what}: y`)
  for (const [i, w] of (golden.after ?? []).entries())
    await expectClose(layer.weights[i]!, w, `${what}: weight ${i} after a call in training`)
  const penalty = own(scope(() => withLosses(layer, seed.sum().mul(0))))
  await expectClose(penalty, golden.penalty, `${what}: penalty`)
  expect(layer.countParams()).toBe(golden.parameters)

  layer.setWeights(values)
  const objective = () => scope(() => withLosses(layer, layer.apply(x, { training }).mul(seed).sum()))
  const { value, grads } = valueAndGrad(objective, [...xs, ...layer.trainableVariables])
  for (const t of [value, ...grads]) own(t)
  for (const [i, dx] of listOf(golden.dx).entries()) await expectClose(grads[i]!, dx, `${what}: dx ${i}`)
  for (const [i, dw] of golden.dw.entries()) await expectClose(grads[xs.length + i]!, dw, `${what}: dw ${i}`)

  if (golden.stepped) {
    own(optimizers.sgd({ learningRate: 0.5 })).apply(grads.slice(xs.length), layer.trainableVariables)
    for (const [i, w] of golden.stepped.entries()) await expectClose(layer.weights[i]!, w, `${what}: weight ${i} after a step`)
    layer.setWeights(values)
  }

  const symbolic = make().apply(formed(inputs.map(({ shape }) => input({ shape: shape.slice(1) }))))
  expect(symbolic.shape).toEqual([null, ...golden.y.shape.slice(1)])
  expect(symbolic.dtype).toBe('float32')

  const written = JSON.parse(JSON.stringify(layers.serialize(layer))) as Serialized
  const again = own(layers.deserialize(written))
  expect(JSON.parse(JSON.stringify(layers.serialize(again)))).toEqual(written)
  again.build(shapes)
  again.setWeights(values)
  layer.setWeights(values)
  const [y, copy] = [own(layer.apply(x)), own(again.apply(x))]
  expect(await copy.data()).toEqual(await y.data())

  const half = make({ dtype: 'mixed_bfloat16' })
  half.build(shapes)
  half.setWeights(values)
  const rounded = own(half.apply(x, { training }))
  expect(rounded.dtype).toBe('bfloat16')
  expect(half.weights.every((w) => w.dtype === 'float32')).toBe(true)
  await expectClose(rounded, golden.y, `${what}: in bfloat16`, 0.06)

  const [eager, captured] = [await train(layer, xs, formed, seed, values, false), await train(layer, xs, formed, seed, values, true)]
  expect(captured).toEqual(eager)
  for (const o of owned) o.dispose()
}

/** What three steps give, and leave behind. */
interface Trained {
  losses: number[]
  outputs: number[][]
  weights: number[][]
}

/** Three steps from the same weights and random numbers each time. */
async function train(
  layer: Layer,
  xs: readonly Tensor[],
  formed: (xs: readonly Tensor[]) => Structure<Tensor>,
  seed: Tensor,
  values: Tensor[],
  isCaptured: boolean
): Promise<Trained> {
  layer.setWeights(values)
  layer.generators.forEach(({ state, key }) => void state.assign([...key, 0, 0]))
  using optimizer = optimizers.sgd({ learningRate: 0.1, momentum: 0.5 })
  const step = (...inputs: Tensor[]): Tensor[] => {
    const { value, grads, aux } = valueAndGrad(() => {
      const y = layer.apply(formed(inputs), { training: true })
      return [withLosses(layer, y.mul(seed).mean()), y]
    }, layer.trainableVariables)
    optimizer.apply(grads, layer.trainableVariables)
    for (const g of grads) g.dispose()
    return [value, ...aux]
  }
  const captured = isCaptured ? capture(step) : undefined
  const run = captured ?? step
  const trained: Trained = { losses: [], outputs: [], weights: [] }
  for (let i = 0; i < 3; i++) {
    const [loss, y] = run(...xs) as [Tensor, Tensor]
    trained.losses.push(await loss.item())
    trained.outputs.push([...(await y.data())])
    loss.dispose()
    y.dispose()
  }
  captured?.dispose()
  for (const w of layer.weights) trained.weights.push([...(await w.data())])
  return trained
}
