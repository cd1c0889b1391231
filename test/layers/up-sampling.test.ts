// The upsampling layers against Keras.
import { layerSuite } from '../support/layer-suite'

for (const axes of ['1d', '2d', '3d']) layerSuite(`upSampling${axes}`)
