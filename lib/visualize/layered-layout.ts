// Places for the boxes of a graph without cycles, in layers from top to bottom (Sugiyama, Tagawa and Toda 1981).

/** A box to place; `from` are the boxes that edges come from, all of them before this one in the list. */
export interface Box {
  width: number
  height: number
  from: readonly number[]
}

export interface Point {
  x: number
  y: number
}

export interface Layout {
  width: number
  height: number
  /** Centre of each box. */
  centres: readonly Point[]
  /** The edges: from the lower side of one box, past the layers between, to the upper side of another. */
  edges: readonly { from: number; to: number; points: readonly Point[] }[]
}

// Between boxes of one layer, and between layers.
const gap = { x: 28, y: 34 }

/** A box, or a place where an edge passes a layer. */
interface Place {
  layer: number
  width: number
  x: number
  isBox: boolean
  readonly above: Place[]
  readonly below: Place[]
}

/** Places boxes: each below all that lead to it, the neighbours of an edge as much above each other as there is room. */
export function layOut(boxes: readonly Box[]): Layout {
  const makePlace = (layer: number, width: number, isBox: boolean): Place => ({ layer, width, x: 0, isBox, above: [], below: [] })
  const places: Place[] = []
  const layers: Place[][] = []
  const add = (place: Place): Place => {
    layers[place.layer] ??= []
    layers[place.layer]!.push(place)
    return place
  }
  const chains: { from: number; to: number; chain: Place[] }[] = []
  boxes.forEach(({ width, from }, to) => {
    const sources = [...new Set(from)]
    const place = makePlace(Math.max(-1, ...sources.map((i) => places[i]!.layer)) + 1, width, true)
    for (const source of sources) {
      const chain = [places[source]!]
      for (let layer = chain[0]!.layer + 1; layer < place.layer; layer++) chain.push(add(makePlace(layer, 0, false)))
      chain.push(place)
      for (let i = 1; i < chain.length; i++) {
        chain[i]!.above.push(chain[i - 1]!)
        chain[i - 1]!.below.push(chain[i]!)
      }
      chains.push({ from: source, to, chain })
    }
    places.push(add(place))
  })

  order(layers)
  align(layers)

  const left = Math.min(...layers.flat().map(({ x, width }) => x - width / 2))
  const heights = layers.map((_, layer) => Math.max(...boxes.filter((_, i) => places[i]!.layer === layer).map(({ height }) => height)))
  const tops = heights.map((_, i) => heights.slice(0, i).reduce((y, height) => y + height + gap.y, 0))
  for (const place of layers.flat()) place.x -= left
  const middle = (layer: number): number => tops[layer]! + heights[layer]! / 2
  return {
    width: Math.max(...layers.flat().map(({ x, width }) => x + width / 2)),
    height: tops.at(-1)! + heights.at(-1)!,
    centres: places.map(({ x, layer }) => ({ x, y: middle(layer) })),
    edges: chains.map(({ from, to, chain }) => {
      const passing = chain.slice(1, -1).flatMap(({ x, layer }) => [
        { x, y: tops[layer]! },
        { x, y: tops[layer]! + heights[layer]! }
      ])
      const [first, last] = [chain[0]!, chain.at(-1)!]
      const start = { x: first.x, y: middle(first.layer) + boxes[from]!.height / 2 }
      return { from, to, points: [start, ...passing, { x: last.x, y: middle(last.layer) - boxes[to]!.height / 2 }] }
    })
  }
}

/** Orders each layer by the mean position of its neighbours in the layer before, then after, and again: few crossings. */
function order(layers: Place[][]): void {
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0
    for (const [i, layer] of [...layers.entries()].sort(([a], [b]) => (down ? a - b : b - a))) {
      const fixed = layers[down ? i - 1 : i + 1]
      if (fixed === undefined) continue
      const position = new Map(fixed.map((place, at) => [place, at]))
      const means = new Map(
        layer.map((place, at) => {
          const neighbours = down ? place.above : place.below
          return [place, neighbours.length === 0 ? at : mean(neighbours.map((n) => position.get(n)!))]
        })
      )
      layer.sort((a, b) => means.get(a)! - means.get(b)!)
    }
  }
}

/**
 * Chooses x within each layer, from top to bottom by the layer above, then back by the one below, and again: chains come to stand straight. Passing
 * edges give way to boxes.
 */
function align(layers: readonly (readonly Place[])[]): void {
  for (let sweep = 0; sweep < 7; sweep++) {
    const down = sweep % 2 === 0
    for (const layer of down ? layers : [...layers].reverse())
      settle(
        layer,
        layer.map((place) => wantedX(place, down ? place.above : place.below))
      )
  }
}

/** For a box, the mean x of its neighbours (of the boxes among them, if any); a passing edge follows itself alone. */
function wantedX({ isBox, x }: Place, neighbours: readonly Place[]): number {
  const alike = neighbours.filter((place) => place.isBox === isBox)
  const counted = isBox && alike.length === 0 ? neighbours : alike
  return counted.length === 0 ? x : mean(counted.map((place) => place.x))
}

/** Moves the places of a layer as near to `wanted` as possible (least squares) without overlap: isotonic regression by pooling neighbours. */
function settle(layer: readonly Place[], wanted: readonly number[]): void {
  const offsets: number[] = []
  layer.forEach(({ width }, i) => {
    const before = layer[i - 1]
    offsets.push(before === undefined ? 0 : offsets[i - 1]! + (before.width + width) / 2 + gap.x)
  })
  const pools: { weight: number; sum: number; count: number }[] = []
  wanted.forEach((x, i) => {
    const weight = layer[i]!.isBox ? 1000 : 1
    let pool = { weight, sum: weight * (x - offsets[i]!), count: 1 }
    for (let last = pools.at(-1); last && last.sum / last.weight > pool.sum / pool.weight; last = pools.at(-1)) {
      pools.pop()
      pool = { weight: last.weight + pool.weight, sum: last.sum + pool.sum, count: last.count + pool.count }
    }
    pools.push(pool)
  })
  const shifts = pools.flatMap(({ weight, sum, count }) => new Array<number>(count).fill(sum / weight))
  layer.forEach((place, i) => {
    place.x = shifts[i]! + offsets[i]!
  })
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
