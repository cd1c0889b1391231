// All ops, one module per family. Each op whose first parameter is a tensor is also a method of Tensor.
export * from './creation'
export * from './elementwise'
export * from './indexing'
export * from './matmul'
export * from './movement'
export * from './reduce'
export * from './softmax'
