// A convolution and the maxima of its windows as one node of the tape: the way back goes through bias and activation where the maxima
// are, not where the pixels are, and the convolution's result is needed no longer than until it is pooled.
import { withLayer } from '../errors'
import { record, run, runAll } from '../op'
import { abstractly } from '../state'
import type { Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { type ConvOptions, convCall, dataGradThunk, filterGrad, planConv } from './conv'
import { beforeActivation } from './fused'
import { maxPoolGrad, maxPoolOutputs, type PoolOptions, planPool } from './pool'
import { unbroadcast } from './rules'

/**
 * {@link maxPool} of {@link conv} of x [B, S..., C] with w [K..., C / groups, F]: [B, windows..., F]. An activation of `options` comes before
 * the maxima. `layer`: whose the windows are.
 * @throws what both throw
 */
export function convMaxPool(x: Tensor, w: Tensor, options: ConvOptions, { layer, ...pool }: PoolOptions & { layer: string }): Tensor {
  const plan = planConv(x, w, options)
  const bias = options.bias ?? null
  const convolved = run('conv', [x, w, bias], convCall(x, plan))
  const { sizes, attributes } = withLayer(layer, () => planPool('maxPool', convolved, pool))
  const shape = [x.shape[0]!, ...sizes, w.shape.at(-1)!]
  const watched = (x.tapes | w.tapes | (bias?.tapes ?? 0)) !== 0
  const [y, places] = runAll('maxPool', [convolved], { outputs: maxPoolOutputs(convolved, shape, attributes, watched), attributes })
  convolved.dispose()
  const gradient: Gradient = (dy, { outputs }) => {
    const { dz, db } = beforeActivation(dy, outputs[0]!, plan.activation)
    let spread: Tensor | undefined
    const dConvolved = () => {
      spread ??= maxPoolGrad(dz, outputs[1]!, plan.shape, attributes)
      return spread
    }
    return [
      dataGradThunk(dConvolved, w, plan.geometry, x.shape),
      () => filterGrad(x, dConvolved(), plan.geometry, w.shape),
      () => db ?? unbroadcast(dz, bias!.shape)
    ]
  }
  if (!abstractly) record([x, w, bias], [y!, places!], undefined, gradient)
  places!.dispose()
  return y!
}
