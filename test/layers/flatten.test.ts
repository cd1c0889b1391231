// The flatten layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('flatten')
