// All ops, one module per family. Each op whose first parameter is a tensor is also a method of Tensor.
export { type ConvOptions, type ConvTransposeOptions, conv, convTranspose } from './conv'
export * from './creation'
export * from './cross-entropy'
export * from './elementwise-binary'
export * from './elementwise-unary'
export * from './indexing'
export * from './matmul'
export * from './movement'
export {
  type AffineOptions,
  type BatchNormOptions,
  batchNorm,
  batchNormTraining,
  groupNorm,
  layerNorm,
  rmsNorm,
  unitNorm
} from './normalization'
export { adaptiveAveragePool, adaptiveMaxPool, averagePool, maxPool, type PoolOptions, sumPool } from './pool'
export * from './reduce'
export { depthToSpace, type Interpolation, type ResizeOptions, resize, spaceToDepth, type UpsampleOptions, upsample } from './resize'
export * from './softmax'
