// The identity layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('identity')
