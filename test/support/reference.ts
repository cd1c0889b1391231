// Naive float64 arrays: the independent reference that ops are tested against.

/** A dense row-major array of float64. */
export interface Array64 {
  shape: readonly number[]
  data: Float64Array
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export function array64(shape: readonly number[], value: number | ((i: number) => number) = 0): Array64 {
  const data = new Float64Array(sizeOf(shape))
  if (typeof value === 'number') data.fill(value)
  else for (let i = 0; i < data.length; i++) data[i] = value(i)
  return { shape, data }
}

/** Index along each axis of element i. */
export function position(shape: readonly number[], i: number): number[] {
  const at = new Array<number>(shape.length)
  for (let d = shape.length - 1; d >= 0; d--) {
    at[d] = i % shape[d]!
    i = Math.floor(i / shape[d]!)
  }
  return at
}

/** Number of the element at a position; dimensions of size 1 are repeated, missing leading ones ignored. */
export function offset(shape: readonly number[], at: readonly number[]): number {
  let i = 0
  const skip = at.length - shape.length
  for (let d = 0; d < shape.length; d++) i = i * shape[d]! + (shape[d] === 1 ? 0 : at[d + skip]!)
  return i
}

/** The number of the element of `from` that broadcasting to `to` puts at each place, all at once. */
function sources(from: readonly number[], to: readonly number[]): Int32Array {
  const skip = to.length - from.length
  let [places, stride] = [Int32Array.of(0), sizeOf(from)]
  for (const [d, size] of to.entries()) {
    const own = from[d - skip] ?? 1
    stride /= own
    const step = own === 1 ? 0 : stride
    const inner = new Int32Array(places.length * size)
    let i = 0
    for (const place of places) for (let k = 0; k < size; k++) inner[i++] = place + k * step
    places = inner
  }
  return places
}

/** f of each element. */
export function map(x: Array64, f: (v: number) => number): Array64 {
  return { shape: x.shape, data: x.data.map(f) }
}

export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length))
  return Array.from({ length: rank }, (_, d) => {
    const sizes = shapes.map((s) => s[d - rank + s.length] ?? 1)
    return sizes.find((size) => size !== 1) ?? 1
  })
}

/** f of the elements of arrays that broadcast. */
export function zip(f: (...values: number[]) => number, ...arrays: Array64[]): Array64 {
  const shape = broadcastShape(...arrays.map((a) => a.shape))
  const places = arrays.map((a) => sources(a.shape, shape))
  const values = new Array<number>(arrays.length)
  return array64(shape, (i) => {
    for (let k = 0; k < values.length; k++) values[k] = arrays[k]!.data[places[k]![i]!]!
    return f(...values)
  })
}

/** f of all elements that share a place outside `axes`. */
export function reduce(x: Array64, axes: readonly number[], keepdims: boolean, f: (values: number[]) => number): Array64 {
  const kept = x.shape.map((dim, d) => (axes.includes(d) ? 1 : dim))
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => [])
  const places = sources(kept, x.shape)
  x.data.forEach((v, i) => {
    groups[places[i]!]!.push(v)
  })
  const shape = keepdims ? kept : x.shape.filter((_, d) => !axes.includes(d))
  return { shape, data: Float64Array.from(groups, f) }
}

/** The array whose element at a position is that of x at `from(position)`, or `otherwise` where that is null. */
export function pick(x: Array64, shape: readonly number[], from: (at: number[]) => readonly number[] | null, otherwise = 0): Array64 {
  return array64(shape, (i) => {
    const source = from(position(shape, i))
    return source === null ? otherwise : x.data[offset(x.shape, source)]!
  })
}

/** a [..., M, K] times b [..., K, N]. */
export function matmul(a: Array64, b: Array64): Array64 {
  const [m, k] = a.shape.slice(-2) as [number, number]
  const n = b.shape.at(-1)!
  const [aBatch, bBatch] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  const batch = broadcastShape(aBatch, bBatch)
  const data = new Float64Array(sizeOf(batch) * m * n)
  for (let q = 0; q < sizeOf(batch); q++) {
    const at = position(batch, q)
    const [from, to] = [offset(aBatch, at) * m * k, offset(bBatch, at) * k * n]
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        const factor = a.data[from + i * k + l]!
        for (let j = 0; j < n; j++) data[(q * m + i) * n + j]! += factor * b.data[to + l * n + j]!
      }
    }
  }
  return { shape: [...batch, m, n], data }
}

/** The last two axes exchanged. */
export function swapLast(x: Array64): Array64 {
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  return array64([...x.shape.slice(0, -2), columns, rows], (i) => {
    const inside = i % (rows * columns)
    return x.data[i - inside + (inside % rows) * columns + Math.floor(inside / rows)]!
  })
}

/** The nearest float32. */
export const float32 = Math.fround

/** The nearest bfloat16, ties to even. */
export function bfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)
  if (Number.isNaN(value)) return value
  bits[0] = ((bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) >>> 16) << 16
  return new Float32Array(bits.buffer)[0]!
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
