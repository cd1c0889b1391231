// The rescaling layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('rescaling')
