// The softmax layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('softmax')
