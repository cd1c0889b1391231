// onnxruntime-node as a contender of peers/main.mts, for predictions: onnxruntime-contender WORKLOAD
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { serve } from './contender.mjs'

// From the folder that setup.sh fills, only where peers are measured: without types.
const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node')
const workload = process.argv[2] as 'mlp' | 'tiny'
const threads = Number(process.env.NEURITE_NUM_THREADS) || availableParallelism()
const file = fileURLToPath(new URL(`${workload}.onnx`, import.meta.url))
const session = await InferenceSession.create(file, { intraOpNumThreads: threads })
const features = { mlp: 784, tiny: 32 }[workload]

await serve('onnxruntime-node', {
  async predict(batch) {
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(batch * features).fill(7 / 255), [batch, features]) })
    if (y.data.length === 0) throw new Error('no output')
  }
})
