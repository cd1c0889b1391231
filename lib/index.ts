// The public API.
import { installMethods } from './methods'
import * as ops from './ops'
import * as random from './random'
import { Tensor } from './tensor'

installMethods(Tensor.prototype, ops)

export { type Captured, capture } from './capture'
export { type Policy, type Precision, setPolicy, setPrecision } from './config'
export { type Device, devices, type MemoryInfo, memory, setDevice, setMemoryLimit, synchronize } from './device'
export {
  ArgumentError,
  CaptureError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorDetails,
  FileNotFoundError,
  FormatError,
  LoadError,
  NeuriteError,
  NotCompiledError,
  OutOfMemoryError,
  ShapeError
} from './errors'
export type { DType } from './native'
export { arange, eye, full, linspace, ones, zeros } from './ops/creation'
export { stopGradient } from './ops/elementwise'
export { setRandomSeed } from './random'
export { scope } from './scope'
export { type ValueAndGrad, valueAndGrad } from './tape'
export {
  type NestedArray,
  SymbolicTensor,
  Tensor,
  type TensorData,
  type TensorOptions,
  type TensorValues,
  type TypedArray,
  tensor,
  Variable,
  type VariableOptions,
  variable
} from './tensor'
export { ops, random }
