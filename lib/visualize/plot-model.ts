// plotModel: the graph of a model as a drawing.
import { ArgumentError, failure, show, showShape } from '../errors'
import { checkPath } from '../io/file-errors'
import { writeWhole } from '../io/write-whole'
import type { AnyLayer } from '../layers/layer'
import { type AnyModel, Model } from '../models/model'
import { formatCount } from '../models/summary'
import { classNameOf } from '../serialization'
import { leavesOf } from '../structure'
import type { SymbolicTensor } from '../tensor'
import { layOut, type Point } from './layered-layout'

/** A use of a layer, as it is drawn. */
interface Drawn {
  kind: 'input' | 'layer' | 'model'
  title: string
  className: string
  /** Shapes of the outputs and number of parameters. */
  lines: string[]
  from: readonly number[]
}

// Sizes in pixels; characters of the monospaced font are 0.6 of its size wide.
const font = 13
const line = 19
const margin = 16
const colours = {
  input: { stroke: '#6b7280', head: '#e5e7eb' },
  layer: { stroke: '#2563eb', head: '#dbeafe' },
  model: { stroke: '#7c3aed', head: '#ede9fe' }
}

/**
 * Draws the graph of a model: each use of a layer is a box with the layer's name and class, the shape of its output and the number of its parameters;
 * a model within the model is one box.
 * @param file where to write the drawing too
 * @returns the drawing, as SVG
 * @throws ArgumentError while the model does not know its input's shape; FileNotFoundError if there is no such folder; FileError if it cannot be written
 * @example
 * await plotModel(model, 'model.svg')
 */
export async function plotModel(model: AnyModel, file?: string): Promise<string> {
  if (!(model instanceof Model)) throw failure(ArgumentError, 'plotModel', `expected a model, received ${show(model)}`)
  if (file !== undefined) checkPath('plotModel', 'file', file)
  const svg = draw(model.name, usesOf(model))
  if (file !== undefined) await writeWhole(file, [Buffer.from(svg)], 'plotModel')
  return svg
}

/** Inputs, then uses of layers in an order in which they can be run. */
function usesOf(model: AnyModel): Drawn[] {
  // Throws where nothing is known yet.
  const { inputs } = model
  const { nodes, inputLayers } = model.graph!
  const number = new Map<SymbolicTensor, number>()
  const drawn = inputLayers.map((layer, i): Drawn => {
    number.set(inputs[i]!, i)
    return { kind: 'input', title: layer.name, className: classNameOf(layer), lines: [showShape(inputs[i]!.shape)], from: [] }
  })
  const uses = new Map<AnyLayer, number>()
  for (const { layer, inputs: from, outputs } of nodes) {
    const use = uses.get(layer) ?? 0
    uses.set(layer, use + 1)
    const tensors = leavesOf(outputs)
    const params = layer.countParams()
    const shared = nodes.filter((node) => node.layer === layer).length > 1
    for (const t of tensors) number.set(t, drawn.length)
    drawn.push({
      kind: layer instanceof Model ? 'model' : 'layer',
      title: shared ? `${layer.name}[${use}]` : layer.name,
      className: classNameOf(layer),
      lines: [
        ...tensors.map(({ shape }) => showShape(shape)),
        ...(params > 0 ? [`${formatCount(params)} params${shared ? ', shared' : ''}`] : [])
      ],
      from: leavesOf(from).map((t) => number.get(t)!)
    })
  }
  return drawn
}

function draw(name: string, drawn: readonly Drawn[]): string {
  const boxes = drawn.map(({ title, className, lines, from }) => {
    const longest = Math.max(`${title}  ${className}`.length, ...lines.map(({ length }) => length))
    return { width: Math.ceil(longest * font * 0.6) + 24, height: (lines.length + 1) * line + 14, from }
  })
  const { width, height, centres, edges } = layOut(boxes)
  const size = [width + 2 * margin, height + 2 * margin].map(Math.ceil)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" viewBox="${-margin} ${-margin} ${size[0]} ${size[1]}" ` +
      `font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${font}">`,
    `<title>${escaped(name)}</title>`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
    '<path d="M0 0L8 4L0 8z" fill="#6b7280"/></marker></defs>',
    `<rect x="${-margin}" y="${-margin}" width="${size[0]}" height="${size[1]}" fill="#ffffff"/>`,
    ...edges.map(({ points }) => `<path d="${curve(points)}" fill="none" stroke="#6b7280" stroke-width="1.3" marker-end="url(#arrow)"/>`),
    ...drawn.flatMap((use, i) => drawBox(use, centres[i]!, boxes[i]!.width, boxes[i]!.height)),
    '</svg>',
    ''
  ].join('\n')
}

function drawBox({ kind, title, className, lines }: Drawn, { x, y }: Point, width: number, height: number): string[] {
  const { stroke, head } = colours[kind]
  const [left, top] = [round(x - width / 2), round(y - height / 2)]
  const frame = `x="${left}" width="${width}" rx="4"`
  return [
    `<g><rect ${frame} y="${top}" height="${height}" fill="#ffffff" stroke="${stroke}"/>`,
    `<rect ${frame} y="${top}" height="${line + 6}" fill="${head}" stroke="${stroke}"/>`,
    `<text x="${left + 12}" y="${round(top + line - 2)}" xml:space="preserve"><tspan font-weight="bold">${escaped(title)}</tspan>  ` +
      `<tspan fill="#4b5563">${escaped(className)}</tspan></text>`,
    ...lines.map((text, i) => `<text x="${left + 12}" y="${round(top + (i + 2) * line + 4)}" fill="#111827">${escaped(text)}</text>`),
    '</g>'
  ]
}

/** A line through the points that leaves and enters each upright. */
function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, i) => {
      const before = points[i - 1]
      if (before === undefined) return `M${round(x)} ${round(y)}`
      if (Math.abs(before.x - x) < 0.05) return `V${round(y)}`
      const middle = round((before.y + y) / 2)
      return `C${round(before.x)} ${middle} ${round(x)} ${middle} ${round(x)} ${round(y)}`
    })
    .join('')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!)
}
