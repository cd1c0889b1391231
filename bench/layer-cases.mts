// The layers of bench/networks.mts as cases: each direction by itself, as a step of training runs it. Gradients are no public ops: this calls what
// lib/ops calls.
import { createRequire } from 'node:module'
import { ops, random, type Tensor } from 'neurite'
import type { Streams } from './ceilings.mjs'
import type { OpCase } from './measure.mjs'
import { beforeOf, type Direction, directionsOf, type NetworkLayer, nameOf, networkLayers, outputSize } from './networks.mjs'

const require = createRequire(import.meta.url)
const { run, runAll } = require('../dist/op.js') as typeof import('../lib/op.js')
const { precisionOn } = require('../dist/config.js') as typeof import('../lib/config.js')

export type Float = 'float32' | 'bfloat16'
type Of<K> = Extract<NetworkLayer, { kind: K }>
type Work = Omit<OpCase, 'name'>

export const caseName = (layer: NetworkLayer, direction: Direction, dtype: Float): string =>
  `${nameOf(layer)}${dtype === 'float32' ? '' : ` ${dtype}`}: ${direction}`

/** A layer's direction; its tensors are made here. */
export function layerCase(layer: NetworkLayer, direction: Direction, dtype: Float): OpCase {
  return { name: caseName(layer, direction, dtype), ...workOf(layer, direction, dtype) }
}

function workOf(layer: NetworkLayer, direction: Direction, dtype: Float): Work {
  switch (layer.kind) {
    case 'conv':
      return convolution(layer, direction, dtype)
    case 'maxPool':
      return pooling(layer, direction, dtype)
    case 'globalAveragePool':
      return globalPooling(layer, direction, dtype)
    case 'batchNorm':
      return normalization(layer, direction, dtype)
  }
}

/** All directions of all layers of these kinds, as far as they are asked for. */
export function* layerCases(kinds: NetworkLayer['kind'][], dtypes: Float[], asked: (name: string) => boolean): Generator<OpCase> {
  for (const dtype of dtypes) {
    for (const layer of networkLayers.filter(({ kind }) => kinds.includes(kind)))
      for (const direction of directionsOf(layer)) if (asked(caseName(layer, direction, dtype))) yield layerCase(layer, direction, dtype)
  }
}

const values = (shape: readonly number[], dtype: Float) => random.normal(shape).cast(dtype)
const perAxis = ({ size }: NetworkLayer, n: number) => size.map(() => n)

/** Streams of equal size that come nearest to reading and writing so many values. */
function streamsOf(dtype: Float, read: number, written: number): Streams {
  let best: Streams & { error: number } = { reads: 0, writes: 0, floats: 0, error: Infinity }
  for (let reads = 0; reads <= 5; reads++) {
    for (let writes = reads === 0 ? 1 : 0; writes <= 4; writes++) {
      const error = Math.abs(read / (read + written) - reads / (reads + writes))
      const floats = Math.round((read + written) / (reads + writes) / (dtype === 'float32' ? 1 : 2))
      // Of the same ratio the fewest arrays.
      if (error < best.error - 1e-9 || (error < best.error + 1e-9 && reads + writes < best.reads + best.writes))
        best = { reads, writes, floats, error }
    }
  }
  const { reads, writes, floats } = best
  return { reads, writes, floats }
}

function convolution(layer: Of<'conv'>, direction: Direction, dtype: Float): Work {
  const { batch, size, channels, features, groups } = layer
  const [xShape, yShape] = [
    [batch, ...size, channels],
    [batch, ...outputSize(layer), features]
  ]
  const wShape = [...perAxis(layer, layer.kernel), channels / groups, features]
  const [x, w, dy] = [values(xShape, dtype), values(wShape, dtype), values(yShape, dtype)]
  const geometry = {
    strides: perAxis(layer, layer.stride),
    dilation: perAxis(layer, 1),
    before: perAxis(layer, beforeOf(layer)),
    groups,
    precision: precisionOn(x.deviceIndex)
  }
  const attributes = { ...geometry, activation: 0 }
  const notPooled = { window: [], poolStrides: [], poolBefore: [] }
  const runs = {
    forward: () => run('conv', [x, w, null, null], { shape: yShape, dtype, attributes: { ...attributes, ...notPooled } }),
    'data gradient': () => run('convDataGrad', [dy, w, null, null], { shape: xShape, dtype, attributes }),
    'filter gradient': () => run('convFilterGrad', [x, dy], { shape: wShape, dtype, attributes: geometry })
  }
  if (groups === 1) return { run: runs[direction as keyof typeof runs], flops: 2 * dy.size * (w.size / features) }
  const streams = {
    forward: () => streamsOf(dtype, x.size, dy.size),
    'data gradient': () => streamsOf(dtype, dy.size, x.size),
    'filter gradient': () => streamsOf(dtype, x.size + dy.size, 0)
  }
  return { run: runs[direction as keyof typeof runs], streams: streams[direction as keyof typeof runs]() }
}

function pooling(layer: Of<'maxPool'>, direction: Direction, dtype: Float): Work {
  const { batch, size, channels, window, stride } = layer
  const xShape = [batch, ...size, channels]
  const yShape = [batch, ...outputSize(layer), channels]
  const [x, dy] = [values(xShape, dtype), values(yShape, dtype)]
  const attributes = { window: perAxis(layer, window), strides: perAxis(layer, stride), before: perAxis(layer, beforeOf(layer)) }
  const outputs = [
    { shape: yShape, dtype },
    { shape: yShape, dtype: 'uint8' }
  ] as const
  const forward = () => runAll('maxPool', [x], { outputs, attributes })
  // A position is a byte.
  const pooled = dy.size * (dtype === 'float32' ? 1.25 : 1.5)
  if (direction === 'forward') return { run: forward, streams: streamsOf(dtype, x.size, pooled) }
  const position = forward()[1]!
  const backward = () => run('maxPoolGrad', [dy, position], { shape: xShape, dtype, attributes })
  return { run: backward, streams: streamsOf(dtype, pooled, x.size) }
}

function globalPooling(layer: Of<'globalAveragePool'>, direction: Direction, dtype: Float): Work {
  const { batch, size, channels } = layer
  const shape = [batch, ...size, channels]
  const [x, dy] = [values(shape, dtype), values([batch, ...size.map(() => 1), channels], dtype)]
  const axes = size.map((_, i) => i + 1)
  if (direction === 'forward') return { run: () => ops.mean(x, axes, { keepdims: true }), streams: streamsOf(dtype, x.size, dy.size) }
  const backward = () => {
    using share = dy.div(x.size / dy.size)
    return ops.broadcastTo(share, shape)
  }
  return { run: backward, streams: streamsOf(dtype, dy.size, x.size) }
}

/** Statistics and the normalisation of what was read before: x twice. Backwards, two sums that the gradient needs: what they read, again. */
function normalization(layer: Of<'batchNorm'>, direction: Direction, dtype: Float): Work {
  const { batch, size, channels } = layer
  const shape = [batch, ...size, channels]
  const [x, dy, gamma, beta] = [values(shape, dtype), values(shape, dtype), random.normal([channels]), random.normal([channels])]
  const residual = layer.residual ? values(shape, dtype) : null
  const forward = () => ops.batchNormTraining(x, { gamma, beta, residual, activation: layer.relu ? 'relu' : 'none' })
  if (direction === 'forward') return { run: forward, streams: streamsOf(dtype, x.size * (layer.residual ? 3 : 2), x.size) }
  const [y, mean, variance] = forward()
  const attributes = { outer: 1, groups: channels, epsilon: 1e-3 }
  const affine = [mean, variance, gamma, beta]
  const sum = { shape: [1, channels], dtype: 'float32' } as const
  const backward = (): Tensor[] => {
    const outputs = [{ shape: residual === null ? [0] : shape, dtype }, sum, sum]
    const made = runAll('channelNormSums', [dy, residual && y, x, ...affine], { outputs, attributes: { ...attributes, relu: layer.relu } })
    const [dz, ...sums] = made as [Tensor, Tensor, Tensor]
    const grad = { shape, dtype, attributes: { ...attributes, relu: layer.relu && residual === null } }
    return [...made, run('channelNormGrad', [residual === null ? dy : dz, x, ...affine, ...sums], grad)]
  }
  const [reads, writes] = residual === null ? [4, 1] : [5, 2]
  return { run: backward, streams: streamsOf(dtype, reads * x.size, writes * x.size) }
}
