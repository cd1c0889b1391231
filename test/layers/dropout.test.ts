// The dropout layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('dropout')
