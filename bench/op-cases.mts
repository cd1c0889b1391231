// The ops that `npm run bench` times, each at a few sizes, with what limits them: arithmetic, or arrays that must be read and written once.
import { ops, optimizers, random, tensor, valueAndGrad, variable } from 'neurite'
import type { Streams } from './ceilings.mjs'
import { layerCases } from './layer-cases.mjs'
import type { OpCase } from './measure.mjs'
import { draws, functions, movement, reductions } from './memory-cases.mjs'

const million = 2 ** 20
/** Elements: in the second-level cache, in the last, and larger than any. */
const sizes = [million / 16, million, 32 * million]
const label = (floats: number) => (floats >= million ? `${floats / million}M` : `${Math.round(floats / 1024)}k`)

function* elementwise(): Generator<OpCase> {
  for (const floats of sizes) {
    const [a, b] = [random.normal([floats]), random.normal([floats])]
    const one: Streams = { reads: 1, writes: 1, floats }
    yield { name: `add ${label(floats)}`, run: () => a.add(b), streams: { reads: 2, writes: 1, floats } }
    for (const op of ['relu', 'exp', 'tanh', 'gelu', 'sqrt'] as const)
      yield { name: `${op} ${label(floats)}`, run: () => a[op](), streams: one }
    yield {
      name: `cast bfloat16 ${label(floats)}`,
      run: () => a.cast('bfloat16'),
      streams: { reads: 1, writes: 1, floats: (floats * 3) / 4 }
    }
    yield { name: `random.normal ${label(floats)}`, run: () => random.normal([floats]), streams: { reads: 0, writes: 1, floats } }
  }
}

function* rows(): Generator<OpCase> {
  for (const [n, c] of [
    [128, 10],
    [128, 512],
    [8192, 4096]
  ] as const) {
    const x = random.normal([n, c])
    const row = random.normal([c])
    const name = `${n}x${c}`
    const floats = n * c
    yield { name: `add row ${name}`, run: () => x.add(row), streams: { reads: 1, writes: 1, floats } }
    yield { name: `softmax ${name}`, run: () => x.softmax(), streams: { reads: 1, writes: 1, floats } }
    for (const axis of [0, 1]) yield { name: `sum axis ${axis} ${name}`, run: () => x.sum(axis), streams: { reads: 1, writes: 0, floats } }
    yield { name: `transpose ${name}`, run: () => x.transpose(), streams: { reads: 1, writes: 1, floats } }
    // Every row once, in another order: n is a power of two.
    const order = tensor(Int32Array.from({ length: n }, (_, i) => (i * 7919) % n))
    yield { name: `gather rows ${name}`, run: () => ops.gather(x, order), streams: { reads: 1, writes: 1, floats } }
  }
}

function* matmul(): Generator<OpCase> {
  const shapes = [
    [128, 512, 784],
    [128, 512, 512],
    [128, 10, 512],
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [1, 4096, 4096]
  ] as const
  for (const dtype of ['float32', 'bfloat16'] as const) {
    for (const [m, n, k] of shapes) {
      const [a, b] = [random.normal([m, k]).cast(dtype), random.normal([k, n]).cast(dtype)]
      yield { name: `matmul ${dtype} ${m}x${n}x${k}`, run: () => a.matmul(b), flops: 2 * m * n * k }
    }
  }
  for (const [m, n, k] of [
    [784, 512, 128],
    [512, 512, 128],
    [512, 10, 128]
  ] as const) {
    const [a, b] = [random.normal([k, m]), random.normal([k, n])]
    yield { name: `matmul aᵀ ${m}x${n}x${k}`, run: () => ops.matmul(a, b, { transposeA: true }), flops: 2 * m * n * k }
  }
  for (const [m, n, k] of [
    [128, 512, 512],
    [128, 512, 10]
  ] as const) {
    const [a, b] = [random.normal([m, k]), random.normal([n, k])]
    yield { name: `matmul bᵀ ${m}x${n}x${k}`, run: () => ops.matmul(a, b, { transposeB: true }), flops: 2 * m * n * k }
  }
}

/** Windows of 2 by 2: a quarter as much is written as read. */
function* pooling(asked: Asked): Generator<OpCase> {
  yield* layerCases(['maxPool', 'globalAveragePool'], ['float32'], asked)
  for (const [n, side, c] of [
    [128, 28, 32],
    [128, 32, 64],
    [32, 112, 64]
  ] as const) {
    const x = random.normal([n, side, side, c])
    const name = `${n}x${side}x${side}x${c}`
    const streams: Streams = { reads: 1, writes: 1, floats: (x.size * 5) / 8 }
    yield { name: `maxPool 2 ${name}`, run: () => ops.maxPool(x, { poolSize: 2 }), streams }
    yield { name: `averagePool 2 ${name}`, run: () => ops.averagePool(x, { poolSize: 2 }), streams }
    yield { name: `maxPool 3 / 2 same ${name}`, run: () => ops.maxPool(x, { poolSize: 3, strides: 2, padding: 'same' }), streams }
  }
}

/** Twice as large, and back: a quarter as much on one side as on the other. */
function* images(): Generator<OpCase> {
  for (const [n, side, c] of [
    [32, 112, 3],
    [128, 14, 64],
    [32, 56, 64]
  ] as const) {
    const [x, y] = [random.normal([n, side, side, c]), random.normal([n, 2 * side, 2 * side, c])]
    const name = `${n}x${side}x${side}x${c}`
    const streams: Streams = { reads: 1, writes: 1, floats: (x.size + y.size) / 2 }
    const w = variable(x)
    for (const interpolation of ['nearest', 'bilinear', 'bicubic'] as const) {
      yield { name: `upsample ${interpolation} ${name}`, run: () => ops.upsample(x, { size: 2, interpolation }), streams }
      const upsample = () => valueAndGrad(() => ops.upsample(w, { size: 2, interpolation }).mul(y).sum(), [w]).grads
      yield { name: `upsample ${interpolation}, product, sum, and back ${name}`, run: upsample }
    }
    yield { name: `resize bilinear to half ${name}`, run: () => ops.resize(y, side), streams }
    const depth = x.reshape([n, side / 2, side / 2, 4 * c])
    const copy: Streams = { reads: 1, writes: 1, floats: x.size }
    yield { name: `depthToSpace 2 ${name}`, run: () => ops.depthToSpace(depth, 2), streams: copy }
    yield { name: `flip width ${name}`, run: () => ops.flip(x, 2), streams: copy }
  }
}

function* normalization(asked: Asked): Generator<OpCase> {
  yield* layerCases(['batchNorm'], ['float32'], asked)
  for (const [n, side, c] of [
    [128, 8, 64],
    [128, 32, 16],
    [64, 56, 64]
  ] as const) {
    const x = random.normal([n, side, side, c])
    const [gamma, beta, mean, variance] = [random.normal([c]), random.normal([c]), random.normal([c]), ops.ones([c])]
    const name = `${n}x${side}x${side}x${c}`
    const floats = x.size
    yield {
      name: `batchNorm ${name}`,
      run: () => ops.batchNorm(x, mean, variance, { gamma, beta }),
      streams: { reads: 1, writes: 1, floats }
    }
    yield {
      name: `batchNormTraining ${name}`,
      run: () => ops.batchNormTraining(x, { gamma, beta }),
      streams: { reads: 2, writes: 1, floats }
    }
    yield { name: `groupNorm 8 ${name}`, run: () => ops.groupNorm(x, 8, { gamma, beta }), streams: { reads: 2, writes: 1, floats } }
    const rows = x.reshape([n * side, side * c])
    const one: Streams = { reads: 1, writes: 1, floats }
    yield { name: `layerNorm ${n * side}x${side * c}`, run: () => ops.layerNorm(rows), streams: one }
    yield { name: `rmsNorm ${n * side}x${side * c}`, run: () => ops.rmsNorm(rows), streams: one }
  }
}

function* updates(): Generator<OpCase> {
  for (const floats of [669706, 32 * million]) {
    for (const [name, optimizer, streams] of [
      ['sgd', optimizers.sgd({ learningRate: 1e-3 }), { reads: 2, writes: 1, floats }],
      ['sgd momentum', optimizers.sgd({ learningRate: 1e-3, momentum: 0.9 }), { reads: 3, writes: 2, floats }],
      ['rmsprop', optimizers.rmsprop(), { reads: 3, writes: 2, floats }],
      ['adam', optimizers.adam(), { reads: 4, writes: 3, floats }]
    ] as const) {
      const w = variable(random.normal([floats]))
      const g = random.normal([floats])
      const run = () => {
        optimizer.apply([g], [w])
        return undefined
      }
      yield { name: `${name} ${label(floats)}`, run, streams }
    }
  }
}

/** Losses from logits, by themselves: what they read. */
function* crossEntropies(): Generator<OpCase> {
  for (const [n, c] of [
    [128, 10],
    [2048, 1024],
    [32768, 1024]
  ] as const) {
    const [x, z] = [random.normal([n, c]), random.uniform([n, c])]
    const labels = tensor(Int32Array.from({ length: n }, (_, i) => (i * 7919) % c))
    const streams = (reads: number): Streams => ({ reads, writes: 0, floats: n * c })
    yield { name: `softmaxCrossEntropy ${n}x${c}`, run: () => ops.softmaxCrossEntropy(x, z), streams: streams(2) }
    yield { name: `sparseSoftmaxCrossEntropy ${n}x${c}`, run: () => ops.sparseSoftmaxCrossEntropy(x, labels), streams: streams(1) }
    yield { name: `sigmoidCrossEntropy ${n}x${c}`, run: () => ops.sigmoidCrossEntropy(x, z), streams: { ...streams(2), writes: 1 } }
  }
}

function* overhead(): Generator<OpCase> {
  const x = random.normal([8])
  const w = variable(random.normal([8]))
  yield { name: 'eager add of 8', run: () => x.add(x) }
  yield { name: 'eager add of 8, tape on, backward', run: () => valueAndGrad(() => w.add(x).sum(), [w]).grads }
}

const convolution = (asked: Asked) => layerCases(['conv'], ['float32', 'bfloat16'], asked)

/** Whether a case of that name is to be timed: large ones are not even made otherwise. */
type Asked = (name: string) => boolean
/** Groups by name; cases are made when they are reached, and their tensors are garbage afterwards. */
export const groups: Record<string, (asked: Asked) => Generator<OpCase>> = {
  overhead,
  matmul,
  convolution,
  elementwise,
  rows,
  functions,
  movement,
  reductions,
  draws,
  pooling,
  images,
  normalization,
  crossEntropies,
  updates
}
