// The arguments of the layers and their defaults, against those of Keras.
import { layers } from '../../lib'
import { registry } from '../../lib/layers/serialization'
import { isSerialized } from '../../lib/serialization'
import goldens from '../goldens/signatures.golden.json'

/** Values for what has no default. */
const required: Record<string, unknown> = {
  filters: 2,
  kernelSize: 1,
  outputSize: 1,
  units: 1,
  targetShape: [1],
  dims: [1],
  n: 1,
  scale: 1,
  activation: 'relu',
  rate: 0.5,
  stddev: 1,
  axes: 1,
  height: 1,
  width: 1,
  layer: { className: 'Dense', config: { units: 1 } }
}
/** What the library does not have: resizing is stretching, nothing else. */
const leftOut: Record<string, readonly string[]> = {
  Resizing: ['cropToAspectRatio', 'padToAspectRatio', 'fillMode', 'fillValue', 'antialias']
}
/** Names of classes that mean an object without options are written as those names. */
const plain = (value: unknown): unknown => {
  if (isSerialized(value)) return value.className.charAt(0).toLowerCase() + value.className.slice(1)
  return Array.isArray(value) && value.length > 0 && value.flat().every((v, _, all) => v === all[0]) ? value.flat()[0] : value
}
/** What null means, where a config has what it stands for. */
const meant: Record<string, unknown> = { dataFormat: 'channelsLast', activation: 'linear', sharedAxes: [], strides: 2 }

test.each(goldens.map(({ className, arguments: given }) => [className, given as Record<string, unknown>] as const))(
  '%s',
  (className, given) => {
    const needed = Object.keys(given).filter((name) => given[name] === 'required' && name !== 'poolSize')
    const layer = layers.deserialize({ className, config: Object.fromEntries(needed.map((name) => [name, required[name]])) })
    const config = layer.getConfig()
    for (const [name, value] of Object.entries(given)) {
      // Average pooling has no default in Keras; here it has that of maximum pooling.
      if (leftOut[className]?.includes(name)) continue
      if (needed.includes(name) || (name === 'poolSize' && value === 'required')) continue
      const expected = plain(value) ?? meant[name] ?? null
      const received = name in config ? plain(config[name]) : unwritten(layer, name)
      expect([name, received ?? null]).toEqual([
        name,
        typeof expected === 'string' ? expected.charAt(0).toLowerCase() + expected.slice(1) : expected
      ])
    }
  }
)

/** Arguments that a config leaves out at their default. */
function unwritten(layer: object, name: string): unknown {
  if (name === 'activityRegularizer') return null
  if (name === 'synchronized') return false
  throw new Error(`${layer.constructor.name} has no option ${name}`)
}

test('each layer of the library that Keras has is among them', () => {
  const ours = ['sumPooling', 'padding', 'inputLayer', 'lambda']
  const names = new Set(goldens.map(({ className }) => className))
  const missing = registry.names.filter((name) => {
    const type = registry.named(name) as { name: string; className?: string }
    return !names.has(type.className ?? type.name) && !ours.some((own) => name.startsWith(own))
  })
  expect(missing).toEqual([])
})
