// The relu layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('relu')
