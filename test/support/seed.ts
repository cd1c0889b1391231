// Before each file of tests: what they draw is the same in every run, so that what fails fails again.
import { setRandomSeed } from '../../lib'

setRandomSeed(1)
