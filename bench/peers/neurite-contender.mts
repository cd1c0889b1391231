// neurite as a contender of peers/main.mts: neurite-contender WORKLOAD MODE, with MODE highest, high, medium or mixed_bfloat16.
import { type Precision, setPolicy, setPrecision } from 'neurite'
import { Training, type WorkloadName } from '../workloads.mjs'
import { serve } from './contender.mjs'

const [workload, mode] = process.argv.slice(2) as [WorkloadName, Precision | 'mixed_bfloat16']
if (mode === 'mixed_bfloat16') setPolicy(mode)
else setPrecision(mode)
await serve(`neurite ${mode}`, await Training.of(workload))
