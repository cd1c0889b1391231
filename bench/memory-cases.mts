// Ops that memory limits, on operands that stay in the last cache and on larger ones: movement, comparisons, reductions, draws, bfloat16.
import { ops, random, type Tensor, tensor } from 'neurite'
import type { Streams } from './ceilings.mjs'
import type { OpCase } from './measure.mjs'

const million = 2 ** 20
/** Rows of 4 KiB: 8 MiB, and more than any cache. */
const heights = [2048, 32768]
const width = 1024

const of = (reads: number, writes: number, floats: number): Streams => ({ reads, writes, floats })

/** Every index once, in another order: n is a power of two. */
const shuffled = (n: number) => tensor(Int32Array.from({ length: n }, (_, i) => (i * 7919) % n))

export function* movement(): Generator<OpCase> {
  for (const height of heights) {
    const x = random.normal([height, width])
    const floats = x.size
    const name = (what: string) => `${what}, ${floats / million}M`
    const images = x.reshape([height / 64, 32, 32, 64])
    const bytes = ops.cast(ops.mul(x, 100), 'uint8')
    const [row, column, half] = [random.normal([width]), random.normal([height, 1]), x.cast('bfloat16')]
    const [order, shortOrder, few] = [shuffled(height), shuffled(height * 16), shuffled(32)]
    const channels = random.normal([64])
    const one = of(1, 1, floats)
    yield { name: name('transpose'), run: () => x.transpose(), streams: one }
    yield { name: name('transpose bfloat16'), run: () => half.transpose(), streams: of(1, 1, floats / 2) }
    yield { name: name('transpose channels first'), run: () => images.transpose([0, 3, 1, 2]), streams: one }
    const planes = x.reshape([height / 64, 64, 32, 32])
    yield { name: name('transpose channels last'), run: () => planes.transpose([0, 2, 3, 1]), streams: one }
    yield { name: name('transpose heads'), run: () => x.reshape([height / 64, 64, 16, 64]).transpose([0, 2, 1, 3]), streams: one }
    yield { name: name('gather rows'), run: () => ops.gather(x, order), streams: one }
    yield { name: name('gather short rows'), run: () => ops.gather(x.reshape([height * 16, 64]), shortOrder), streams: one }
    yield { name: name('scatterAdd rows'), run: () => ops.scatterAdd(order, x, [height, width]), streams: one }
    yield { name: name('gather columns'), run: () => ops.gather(x.reshape([height * 32, 32]), few, 1), streams: one }
    yield {
      name: name('gather bytes as float32'),
      run: () => ops.gather(bytes, order, 0, { dtype: 'float32', scale: 1 / 255 }),
      streams: of(1, 4, floats / 4)
    }
    yield { name: name('broadcastTo rows'), run: () => ops.broadcastTo(row, [height, width]), streams: of(0, 1, floats) }
    yield { name: name('broadcastTo columns'), run: () => ops.broadcastTo(column, [height, width]), streams: of(0, 1, floats) }
    yield { name: name('add row'), run: () => x.add(row), streams: one }
    yield { name: name('add channel'), run: () => images.add(channels), streams: one }
    yield { name: name('mul column'), run: () => x.mul(column), streams: one }
    yield { name: name('concat columns'), run: () => ops.concat([x, x], 1), streams: of(1, 2, floats) }
    yield { name: name('split columns'), run: () => ops.split(x, 2, 1), streams: one }
    yield { name: name('slice rows'), run: () => ops.slice(x, [0, 16], [height, width - 32]), streams: one }
    yield {
      name: name('pad images'),
      run: () =>
        ops.pad(images, [
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0]
        ]),
      streams: one
    }
    yield { name: name('tile rows'), run: () => ops.tile(x.reshape([height, width]), [1, 2]), streams: of(1, 2, floats) }
    const mask = ops.greater(x, 0)
    yield { name: name('greater 0'), run: () => ops.greater(x, 0), streams: of(4, 1, floats / 4) }
    yield { name: name('less'), run: () => ops.less(x, x), streams: of(4, 1, floats / 4) }
    yield { name: name('where'), run: () => ops.where(mask, x, 0), streams: of(5, 4, floats / 4) }
    yield { name: name('clip'), run: () => ops.clip(x, -1, 1), streams: one }
    yield { name: name('bytes as float32'), run: () => bytes.cast('float32'), streams: of(1, 4, floats / 4) }
    yield { name: name('bfloat16 as float32'), run: () => half.cast('float32'), streams: of(1, 2, floats / 2) }
    yield { name: name('float32 as bfloat16'), run: () => x.cast('bfloat16'), streams: of(2, 1, floats / 2) }
    yield { name: name('oneHot'), run: () => ops.oneHot(order, width), streams: of(0, 1, floats) }
  }
}
export function* reductions(): Generator<OpCase> {
  for (const height of heights) {
    const x = random.normal([height, width])
    const floats = x.size
    const name = (what: string) => `${what}, ${floats / million}M`
    const read = of(1, 0, floats)
    const middle = x.reshape([height / 64, 64, width])
    const shapes: [string, Tensor, number | number[] | undefined][] = [
      ['rows', x, 1],
      ['columns', x, 0],
      ['the middle axis', middle, 1],
      ['all but channels', x.reshape([height / 64, 1024, 64]), [0, 1]],
      ['short rows', x.reshape([height * 64, 16]), 1],
      ['everything', x, undefined]
    ]
    for (const [what, tensor, axis] of shapes) {
      for (const op of ['sum', 'max'] as const) yield { name: name(`${op} of ${what}`), run: () => tensor[op](axis), streams: read }
    }
    for (const [what, tensor, axis] of shapes.slice(0, 3)) {
      yield { name: name(`argmax of ${what}`), run: () => ops.argmax(tensor, axis as number), streams: read }
      yield {
        name: name(`variance of ${what}`),
        run: () => ops.variance(tensor, axis),
        streams: of(axis === 1 && tensor === x ? 1 : 2, 0, floats)
      }
      yield {
        name: name(`logSumExp of ${what}`),
        run: () => ops.logSumExp(tensor, axis),
        streams: of(axis === 1 && tensor === x ? 1 : 2, 0, floats)
      }
    }
    yield { name: name('prod of rows'), run: () => ops.prod(x, 1), streams: read }
    yield { name: name('argmin of rows'), run: () => ops.argmin(x, 1), streams: read }
    const half = x.cast('bfloat16')
    yield { name: name('sum of rows bfloat16'), run: () => half.sum(1), streams: of(1, 0, floats / 2) }
    yield { name: name('sum of columns bfloat16'), run: () => half.sum(0), streams: of(1, 0, floats / 2) }
    yield { name: name('softmax of rows'), run: () => x.softmax(), streams: of(1, 1, floats) }
    yield { name: name('softmax of columns'), run: () => x.softmax(0), streams: of(2, 1, floats) }
    yield { name: name('logSoftmax of rows'), run: () => ops.logSoftmax(x), streams: of(1, 1, floats) }
    yield { name: name('softmax bfloat16'), run: () => half.softmax(), streams: of(1, 1, floats / 2) }
  }
}

export function* draws(): Generator<OpCase> {
  for (const height of heights) {
    const shape = [height, width]
    const floats = height * width
    const name = (what: string) => `${what}, ${floats / million}M`
    const write = of(0, 1, floats)
    yield { name: name('random.uniform'), run: () => random.uniform(shape), streams: write }
    yield { name: name('random.normal'), run: () => random.normal(shape), streams: write }
    yield { name: name('random.truncatedNormal'), run: () => random.truncatedNormal(shape), streams: write }
    yield { name: name('random.bernoulli'), run: () => random.bernoulli(shape, { p: 0.5 }), streams: write }
    yield { name: name('zeros'), run: () => ops.zeros(shape), streams: write }
    const x = random.normal(shape)
    yield { name: name('dropout'), run: () => random.dropout(x, 0.5), streams: of(1, 1, floats) }
  }
}

const unary = [
  ...([
    'sigmoid',
    'tanh',
    'gelu',
    'silu',
    'erf',
    'elu',
    'selu',
    'softplus',
    'softsign',
    'hardSigmoid',
    'leakyRelu',
    'exp',
    'expm1'
  ] as const),
  ...(['log', 'log1p', 'sin', 'cos', 'abs', 'neg', 'square', 'rsqrt', 'floor'] as const)
] as const

export function* functions(): Generator<OpCase> {
  for (const height of heights) {
    const x = random.normal([height, width])
    const half = x.cast('bfloat16')
    const floats = x.size
    const name = (what: string) => `${what}, ${floats / million}M`
    for (const op of unary) yield { name: name(op), run: () => ops[op](x), streams: of(1, 1, floats) }
    yield { name: name('gelu by tanh'), run: () => ops.gelu(x, { approximate: true }), streams: of(1, 1, floats) }
    for (const op of ['relu', 'gelu', 'tanh', 'sigmoid', 'exp'] as const)
      yield { name: name(`${op} bfloat16`), run: () => ops[op](half), streams: of(1, 1, floats / 2) }
    yield { name: name('add bfloat16'), run: () => half.add(half), streams: of(1, 1, floats / 2) }
    const other = random.normal([height, width])
    for (const op of ['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'pow'] as const)
      yield { name: name(op), run: () => ops[op](x, other), streams: of(2, 1, floats) }
    const row = random.normal([width]).cast('bfloat16')
    yield { name: name('add row bfloat16'), run: () => half.add(row), streams: of(1, 1, floats / 2) }
    yield { name: name('mul 2'), run: () => x.mul(2), streams: of(1, 1, floats) }
  }
}
