// The elu layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('elu')
