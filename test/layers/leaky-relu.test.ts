// The leakyRelu layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('leakyRelu')
