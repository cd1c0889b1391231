// Layers as they are written to files, and back: the classes by their names, and layers that are shared.
import { FormatError } from '../errors'
import { classNameOf, Registry, type Serialized } from '../serialization'
import { type AnyLayer, Layer } from './layer'

/** The classes of layers by name. Those of the library are added where they are exported, so that layers of layers can be read here. */
export const registry = new Registry<AnyLayer>('layer', Layer, {})

/** The layers written, or read, since the outermost call began, in the order of their beginnings: a shared one is there once. */
let written: AnyLayer[] | undefined
let read: (AnyLayer | undefined)[] | undefined

/** What a file holds for a layer, without its weights. A layer that is in several layers of one file is referred to by its number. */
export function serialize(layer: AnyLayer): Serialized {
  const outermost = written === undefined
  written ??= []
  try {
    const shared = written.indexOf(layer)
    if (shared >= 0) return { className: classNameOf(layer), config: { shared } }
    written.push(layer)
    return registry.write(layer)
  } finally {
    if (outermost) written = undefined
  }
}

/** The layer that {@link serialize} wrote. @throws ArgumentError if its class is not known, which says `customObjects`; FormatError */
export function deserialize(data: Serialized): Layer {
  const outermost = read === undefined
  read ??= []
  try {
    const shared = data.config?.shared
    if (typeof shared === 'number') {
      const layer = read[shared]
      if (layer) return layer as Layer
      throw new FormatError(`the architecture refers to layer number ${shared}, which is not complete before it: a cycle`)
    }
    const number = read.push(undefined) - 1
    const layer = registry.deserialize(data)
    read[number] = layer
    return layer as Layer
  } finally {
    if (outermost) read = undefined
  }
}
