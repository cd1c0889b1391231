// The data sets.
export type { DatasetOptions } from './files'
export { type Labelled, mnist } from './mnist'
