// The reshape layer against Keras.
import { layerSuite } from '../support/layer-suite'

layerSuite('reshape')
