// The dense layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('dense')
