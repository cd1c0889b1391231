// Looking inside models: filters, activations, saliency, what excites a filter; and pictures on disk.
export { type ActivationsOptions, activations } from './activations'
export { filters } from './filters'
export { type GridOptions, grid } from './grid'
export { type MaximizeActivationOptions, maximizeActivation } from './maximize-activation'
export { readPng, writePng } from './png'
export { saliency } from './saliency'
