// A float64 reference of fit: one dense layer, trained by plain gradient descent, with everything that fit reports.
export interface Reference {
  loss: number[]
  mae: number[]
  kernel: number[]
  bias: number[]
}

export interface ReferenceOptions {
  epochs: number
  batchSize: number
  rate: number
  /** Weight of each sample in the loss. */
  weights?: readonly number[]
  l2?: number
}

/**
 * Trains y = x·w + b from w = 0.5, b = 0 on the mean squared error, samples in their order. The loss of a batch is
 * Σ weight·error² / samples + l2·Σw²; that of an epoch the mean of its batches, weighted by their sizes.
 */
export function trainReference(x: readonly (readonly number[])[], y: readonly number[], options: ReferenceOptions): Reference {
  const { epochs, batchSize, rate, l2 = 0 } = options
  const width = x[0]!.length
  const kernel = new Array<number>(width).fill(0.5)
  let bias = 0
  const loss: number[] = []
  const mae: number[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    let lossSum = 0
    let errorSum = 0
    for (let from = 0; from < x.length; from += batchSize) {
      const rows = Array.from({ length: Math.min(batchSize, x.length - from) }, (_, i) => from + i)
      const errors = rows.map((i) => x[i]!.reduce((sum, v, j) => sum + v * kernel[j]!, bias) - y[i]!)
      const weights = rows.map((i) => options.weights?.[i] ?? 1)
      const data = errors.reduce((sum, e, i) => sum + weights[i]! * e * e, 0) / rows.length
      const penalty = l2 * kernel.reduce((sum, w) => sum + w * w, 0)
      lossSum += (data + penalty) * rows.length
      errorSum += errors.reduce((sum, e) => sum + Math.abs(e), 0)
      const scaled = errors.map((e, i) => (2 * weights[i]! * e) / rows.length)
      const gradient = kernel.map((w, j) => rows.reduce((sum, i, k) => sum + scaled[k]! * x[i]![j]!, 2 * l2 * w))
      gradient.forEach((g, j) => {
        kernel[j]! -= rate * g
      })
      bias -= rate * scaled.reduce((sum, s) => sum + s, 0)
    }
    loss.push(lossSum / x.length)
    mae.push(errorSum / x.length)
  }
  return { loss, mae, kernel, bias: [bias] }
}
