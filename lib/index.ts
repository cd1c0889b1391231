// The public API.
import * as activations from './activations'
import * as callbacks from './callbacks'
import * as constraints from './constraints'
import * as datasets from './datasets'
import * as initializers from './initializers'
import * as layers from './layers'
import * as losses from './losses'
import { installMethods } from './methods'
import * as metrics from './metrics'
import * as ops from './ops'
import * as optimizers from './optimizers'
import * as random from './random'
import * as regularizers from './regularizers'
import * as schedules from './schedules'
import { Tensor } from './tensor'
import * as visualize from './visualize'

installMethods(Tensor.prototype, ops)

export type { Callback, CallbackParams, Logs } from './callbacks/callback'
export type { History } from './callbacks/history'
export { type Captured, type CaptureOptions, capture } from './capture'
export { type Policy, type Precision, setPolicy, setPrecision } from './config'
export type { ClassWeight } from './data/class-weights'
export type { Batches, BatchItem, BatchRecord, ModelValues, Values } from './data/values'
export { type Device, devices, type MemoryInfo, type MemoryLimitOptions, memory, setDevice, setMemoryLimit, synchronize } from './device'
export {
  ArgumentError,
  CaptureError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorDetails,
  FileError,
  FileNotFoundError,
  FormatError,
  LoadError,
  NeuriteError,
  NotCompiledError,
  OutOfMemoryError,
  ShapeError
} from './errors'
export type { NestedArray, TensorData, TensorValues, TypedArray } from './host-values'
export { type LoadModelOptions, loadModel } from './io/load-model'
export type { SaveOptions } from './io/model-file'
export type { LoadWeightsOptions } from './io/weights-file'
export { input } from './layers/input'
export { type AnyLayer, Layer, type LayerInput, type Symbolic } from './layers/layer'
export type { CallContext, LayerOptions, PartialShape, ShapeOrShapes, WeightOptions } from './layers/options'
export type { BatchOptions } from './models/batch'
export type { CompileOptions } from './models/compiled'
export type { EvaluateOptions } from './models/evaluate'
export type { FitOptions } from './models/fit'
export { type Concrete, Functional, type ModelOptions, model } from './models/functional'
export { type AnyModel, Model } from './models/model'
export type { Metrics, MetricsByName, PerOutput } from './models/per-output'
export type { PredictOptions } from './models/predict'
export { Sequential, type SequentialOptions, sequential } from './models/sequential'
export type { SummaryOptions } from './models/summary'
export type { Verbosity } from './models/verbose'
export type { DType } from './native'
export { arange, eye, full, linspace, ones, zeros } from './ops/creation'
export { stopGradient } from './ops/elementwise-unary'
export { setRandomSeed } from './random'
export { scope } from './scope'
export type { Config, CustomObjects } from './serialization'
export type { Structure } from './structure'
export { type ValueAndGrad, valueAndGrad } from './tape'
export { SymbolicTensor, Tensor, type TensorOptions, tensor, Variable, type VariableOptions, variable } from './tensor'
export { plotModel } from './visualize/plot-model'
export {
  activations,
  callbacks,
  constraints,
  datasets,
  initializers,
  layers,
  losses,
  metrics,
  ops,
  optimizers,
  random,
  regularizers,
  schedules,
  visualize
}
