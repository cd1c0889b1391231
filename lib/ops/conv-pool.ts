// A convolution and the maxima of its windows as one op: what the maxima are taken of is not stored, and the way back goes through bias and
// activation where the maxima are, not where the pixels are.
import { withLayer } from '../errors'
import { record, runAll } from '../op'
import { abstractly } from '../state'
import type { Gradient } from '../tape'
import type { Tensor } from '../tensor'
import { type ConvOptions, type ConvPlan, convCall, dataGradThunk, filterGrad, planConv } from './conv'
import { beforeActivation } from './fused'
import { maxPoolGrad, maxPoolOutputs, type PoolOptions, planPool, type Windows } from './pool'
import { unbroadcast } from './rules'

/**
 * {@link maxPool} of {@link conv} of x [B, S..., C] with w [K..., C / groups, F]: [B, windows..., F]. An activation of `options` comes before
 * the maxima. `layer`: whose the windows are.
 * @throws what both throw
 */
export function convMaxPool(
  x: Tensor,
  w: Tensor,
  options: Omit<ConvOptions, 'residual'>,
  { layer, ...pool }: PoolOptions & { layer: string }
): Tensor {
  const plan = planConv(x, w, options)
  const bias = options.bias ?? null
  const { sizes, attributes: windows } = withLayer(layer, () => planPool('maxPool', plan.shape, pool))
  const call = convCall(x, plan)
  const watched = (x.tapes | w.tapes | (bias?.tapes ?? 0)) !== 0
  const maxima = maxPoolOutputs(x.dtype, [x.shape[0]!, ...sizes, w.shape.at(-1)!], windows, watched)
  const between = { shape: x.device === 'cpu' && inBlocks(plan, sizes, windows) ? [0] : plan.shape, dtype: x.dtype }
  const [y, places, rest] = runAll('conv', [x, w, bias, null], {
    outputs: [...maxima, between],
    attributes: { ...call.attributes, window: windows.window, poolStrides: windows.strides, poolBefore: windows.before }
  })
  rest!.dispose()
  const gradient: Gradient = (dy, { outputs }) => {
    const { dz, db } = beforeActivation(dy, outputs[0]!, plan.activation)
    let spread: Tensor | undefined
    const dConvolved = () => {
      spread ??= maxPoolGrad(dz, outputs[1]!, plan.shape, windows)
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

/** Whether the CPU's kernel takes maxima of blocks that it does not store (native/ops.def). */
function inBlocks({ geometry, shape }: ConvPlan, sizes: readonly number[], { window, strides, before }: Windows): boolean {
  const lieNextToEachOther = window.every((n, i) => strides[i] === n && before[i] === 0 && sizes[i]! * n <= shape[i + 1]!)
  return geometry.groups === 1 && lieNextToEachOther && (window.length < 3 || window[0] === 1)
}
