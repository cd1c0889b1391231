// The callbacks that come with the library.
export { type EarlyStoppingOptions, earlyStopping } from './early-stopping'
export { history } from './history'
export { type ModelCheckpointOptions, modelCheckpoint } from './model-checkpoint'
export { type ProgressBarOptions, progressBar } from './progress-bar'
export { terminateOnNaN } from './terminate-on-nan'
