// The public API.
export * from './errors'
export { load } from './load'
