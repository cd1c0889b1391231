// The activation layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('activation')
