// The validation split: the last fraction of the samples, taken before anything is shuffled.
import { ArgumentError } from '../errors'

/**
 * How many of `count` samples are left for training: floor(count · (1 − split)), as in Keras.
 * @throws ArgumentError if the fraction is not in [0, 1) or leaves nothing on one side.
 */
export function trainingCount(count: number, split: number): number {
  if (!(typeof split === 'number' && split >= 0 && split < 1)) {
    throw new ArgumentError(`[fit] expected validationSplit to be at least 0 and less than 1, received ${split}`)
  }
  if (split === 0) return count
  const training = Math.floor(count * (1 - split))
  if (training === 0 || training === count) {
    throw new ArgumentError(
      `[fit] validationSplit ${split} of ${count} samples leaves ${training} for training and ${count - training} for validation`
    )
  }
  return training
}
