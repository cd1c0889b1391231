// The data sets.
export { cifar10 } from './cifar10'
export { fashionMnist } from './fashion-mnist'
export type { DatasetOptions } from './files'
export { type Labelled, mnist } from './mnist'
