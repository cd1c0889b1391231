// plotModel: what is drawn, and where; and the layout below it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { input, layers, model, plotModel, sequential, type Tensor } from '../../lib'
import { layOut } from '../../lib/visualize/layered-layout'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface DrawnBox {
  lines: string[]
  left: number
  top: number
  right: number
  bottom: number
}

/** The boxes of a drawing with their texts, and how many edges there are. */
function parse(svg: string): { boxes: DrawnBox[]; edges: number } {
  const boxes = [...svg.matchAll(/<g>(.*?)<\/g>/gs)].map(([, group]) => {
    const [, x, width, , y, height] = /<rect x="([-\d.]+)" width="([\d.]+)" (rx="4") y="([-\d.]+)" height="([\d.]+)"/.exec(group!)!
    const lines = [...group!.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(([, text]) => text!.replace(/<[^>]*>/g, ''))
    return { lines, left: +x!, top: +y!, right: +x! + +width!, bottom: +y! + +height! }
  })
  return { boxes, edges: svg.match(/marker-end/g)?.length ?? 0 }
}

function residual() {
  const x = input({ shape: [8, 8, 3], name: 'image' })
  const conv = (name: string) => layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', name })
  const y = layers.relu({ name: 'relu' }).apply(conv('conv1').apply(x))
  const sum = layers.add({ name: 'sum' }).apply([x, conv('conv2').apply(y)])
  const tail = sequential([layers.flatten(), layers.dense({ units: 2 })], { name: 'tail' })
  return model({ inputs: x, outputs: tail.apply(sum), name: 'small' })
}

test('a box for each use of a layer: name, class, shape, parameters; nested models are one box', async () => {
  const { boxes, edges } = parse(await plotModel(residual()))
  expect(boxes.map(({ lines }) => lines)).toEqual([
    ['image  InputLayer', '[null, 8, 8, 3]'],
    ['conv1  Conv2D', '[null, 8, 8, 3]', '84 params'],
    ['relu  ReLU', '[null, 8, 8, 3]'],
    ['conv2  Conv2D', '[null, 8, 8, 3]', '84 params'],
    ['sum  Add', '[null, 8, 8, 3]'],
    ['tail  Sequential', '[null, 2]', '386 params']
  ])
  expect(edges).toBe(6)
  boxes.slice(1).forEach((box, i) => void expect(box.top).toBeGreaterThan(boxes[i]!.bottom))
})

test('several inputs, uses and outputs', async () => {
  const [left, right] = [input({ shape: [6], name: 'left' }), input({ shape: [6], name: 'right' })]
  const tower = layers.dense({ units: 4, name: 'tower' })
  const [l, r] = [tower.apply(left), tower.apply(right)]
  const net = model({
    inputs: [left, right],
    outputs: { sum: layers.add({ name: 'sum' }).apply([l, r]), gap: layers.subtract({ name: 'gap' }).apply([l, r]) }
  })
  const { boxes, edges } = parse(await plotModel(net))
  expect(boxes.map(({ lines }) => lines[0])).toEqual([
    'left  InputLayer',
    'right  InputLayer',
    'tower[0]  Dense',
    'tower[1]  Dense',
    'sum  Add',
    'gap  Subtract'
  ])
  expect(boxes[2]!.lines).toEqual(['tower[0]  Dense', '[null, 4]', '28 params, shared'])
  expect(edges).toBe(6)
  const apart = (a: DrawnBox, b: DrawnBox) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top
  for (const [i, a] of boxes.entries()) for (const b of boxes.slice(i + 1)) expect(apart(a, b)).toBe(true)
})

test('sequential models, names with marks of their own, and the file', async () => {
  const net = sequential([layers.lambda({ function: (x: Tensor) => x, name: 'a<b & "c"', inputShape: [2] })], { name: '<i>' })
  const file = join(folder, 'model.svg')
  const svg = await plotModel(net, file)
  expect(readFileSync(file, 'utf8')).toBe(svg)
  expect(svg).toContain('<title>&lt;i&gt;</title>')
  expect(svg).toContain('a&lt;b &amp; &quot;c&quot;')
  expect(parse(svg).boxes).toHaveLength(2)
})

test('refuses what is no model, or not known yet, and a missing folder', async () => {
  await expect(plotModel(layers.flatten() as never)).rejects.toMatchObject({
    name: 'ArgumentError',
    message: '[plotModel] expected a model, received Flatten'
  })
  await expect(plotModel(sequential([layers.flatten()]))).rejects.toMatchObject({
    name: 'ArgumentError',
    message: expect.stringMatching(/inputShape/)
  })
  await expect(plotModel(residual(), join(folder, 'no/such.svg'))).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: expect.stringMatching(/there is no folder/)
  })
})

describe('layout', () => {
  const box = (width: number, ...from: number[]) => ({ width, height: 20, from })

  test('a chain stands straight, each box below the one before', () => {
    const { centres, edges, width, height } = layOut([box(40), box(100, 0), box(60, 1)])
    expect(centres.map(({ x }) => x)).toEqual([50, 50, 50])
    expect([width, height]).toEqual([100, 3 * 20 + 2 * 34])
    expect(centres.map(({ y }) => y)).toEqual([10, 64, 118])
    expect(edges.map(({ points }) => points)).toEqual([
      [
        { x: 50, y: 20 },
        { x: 50, y: 54 }
      ],
      [
        { x: 50, y: 74 },
        { x: 50, y: 108 }
      ]
    ])
  })

  test('a long edge passes beside the boxes, upright; the chain stays straight', () => {
    const { centres, edges } = layOut([box(40), box(100, 0), box(60, 1), box(80, 2), box(40, 3, 0)])
    expect(new Set(centres.map(({ x }) => x)).size).toBe(1)
    const { points } = edges.find(({ from, to }) => from === 0 && to === 4)!
    const passing = points.slice(1, -1)
    expect(passing).toHaveLength(6)
    for (const { x } of passing) expect(x).toBeCloseTo(passing[0]!.x, 6)
    expect(Math.abs(passing[0]!.x - centres[1]!.x)).toBeGreaterThanOrEqual(50 + 28)
  })

  test('branches keep apart and meet in the middle; few crossings', () => {
    const { centres } = layOut([box(50), box(50, 0), box(50, 0), box(50, 0), box(50, 3), box(50, 2), box(50, 1), box(50, 4, 5, 6)])
    const [top, a, b, c, underC, underB, underA, end] = centres.map(({ x }) => x)
    expect([underA, underB, underC]).toEqual([a, b, c])
    expect(Math.min(Math.abs(a! - b!), Math.abs(b! - c!), Math.abs(a! - c!))).toBeGreaterThanOrEqual(50 + 28)
    expect(end).toBeCloseTo(top!, 6)
  })
})
