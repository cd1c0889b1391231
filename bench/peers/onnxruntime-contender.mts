// onnxruntime-node as a contender of peers/main.mts, for predictions: onnxruntime-contender WORKLOAD
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { serve } from './contender.mjs'

// The folder that setup.sh fills, beside the sources; the program starts in the project's folder. Only where peers are measured: without types.
const folder = join(process.cwd(), 'bench/peers')
const { InferenceSession, Tensor } = createRequire(join(folder, 'main.mts'))('onnxruntime-node')
const workload = process.argv[2]!
const threads = Number(process.env.NEURITE_NUM_THREADS) || availableParallelism()
const session = await InferenceSession.create(join(folder, `${workload}.onnx`), { intraOpNumThreads: threads })
// The batch dimension has a name instead of a size.
const shape: (number | string)[] = session.inputMetadata[0].shape
const features = shape.slice(1) as number[]

await serve('onnxruntime-node', {
  async predict(batch) {
    const values = new Float32Array(features.reduce((a, b) => a * b, batch)).fill(7 / 255)
    const { y } = await session.run({ x: new Tensor('float32', values, [batch, ...features]) })
    if (y.data.length === 0) throw new Error('no output')
  }
})
