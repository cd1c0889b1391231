// Variables and the bytes that files hold of them.
import { FormatError, showShape } from '../errors'
import type { TensorData as Elements } from '../host-values'
import type { AnyLayer } from '../layers/layer'
import { assignAll, type Tensor, type Variable } from '../tensor'
import type { SafetensorsFile, TensorData } from './safetensors'

/** A variable and its name in files. */
export type Named = readonly [name: string, variable: Variable]

/** The weights of a layer and those in it, by names such as `dense/kernel`: names of layers, then of the weight. */
export function namedWeights(layer: AnyLayer, prefix = '', seen: Set<AnyLayer | Variable> = new Set()): Named[] {
  // A layer or variable that is shared has the name of its first place.
  if (seen.has(layer)) return []
  seen.add(layer)
  const nested = new Set(layer.sublayers.flatMap((inner) => inner.weights))
  const names = new Set<string>()
  const own = layer.weights
    .filter((weight) => !nested.has(weight) && !seen.has(weight))
    .map((weight): Named => {
      seen.add(weight)
      let name = prefix + weight.name
      for (let i = 1; names.has(name); i++) name = `${prefix}${weight.name}_${i}`
      names.add(name)
      return [name, weight]
    })
  return [...own, ...layer.sublayers.flatMap((inner) => namedWeights(inner, `${prefix}${inner.name}/`, seen))]
}

/** What variables hold now, as it goes into a file. All reads are submitted at once: it is one moment of a training that goes on. */
export function snapshot(variables: readonly Named[]): Promise<TensorData[]> {
  return Promise.all(
    variables.map(async ([name, variable]) => {
      const { dtype, shape } = variable
      const elements = await variable.data()
      return { name, dtype, shape, data: dtype === 'bfloat16' ? upperHalves(elements as Float32Array) : elements }
    })
  )
}

/** The bfloat16 numbers in float32 numbers that hold just those. */
function upperHalves(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return Uint16Array.from(words, (word) => word >>> 16)
}

/**
 * Checks that a file has these variables with these shapes and dtypes.
 * @throws FormatError that names what is missing or different
 */
export function checkTensors(file: SafetensorsFile, variables: readonly Named[]): void {
  for (const [name, variable] of variables) {
    const entry = file.entry(name)
    if (entry === undefined) {
      const names = file.tensors.map((t) => t.name)
      throw new FormatError(
        `${file.path} has no tensor "${name}"; it has ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`
      )
    }
    if (!matches(entry, variable)) {
      const expected = `${variable.dtype} ${showShape(variable.shape)}`
      throw new FormatError(`${file.path}, tensor "${name}": expected ${expected}, received ${entry.dtype} ${showShape(entry.shape)}`)
    }
  }
}

/** Whether a tensor of a file can become the value of a variable. */
export function matches(entry: { dtype: string; shape: readonly number[] }, { dtype, shape }: Tensor): boolean {
  return entry.dtype === dtype && entry.shape.length === shape.length && entry.shape.every((size, i) => size === shape[i])
}

/** Reads the values of variables, all before the first one is changed. */
export async function assignTensors(file: SafetensorsFile, variables: readonly Named[]): Promise<void> {
  const values: Elements[] = []
  for (const [name, variable] of variables) values.push(elementsOf(await file.read(name), variable))
  assignAll(
    variables.map(([, variable]) => variable),
    values
  )
}

function elementsOf(bytes: Uint8Array, { dtype }: Variable): Elements {
  if (dtype === 'float32') return new Float32Array(bytes.buffer)
  if (dtype === 'int32') return new Int32Array(bytes.buffer)
  if (dtype !== 'bfloat16') return bytes
  return new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16).buffer)
}
