// The prelu layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('prelu')
