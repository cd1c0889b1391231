// A 1-D convolutional network recognises which of Ba-133, Na-22 and Cs-137 a simulated gamma spectrum holds, several at once.
import { join } from 'node:path'
import { layers, plotModel, sequential, setRandomSeed, tensor, visualize } from 'neurite'
import { options } from './support/options.mjs'
import { uniform } from './support/random.mjs'
import { drawChart, printTable } from './support/terminal.mjs'

const { numbers, folder } = options('spectra', { epochs: 8, samples: 8000 })
setRandomSeed(1)

// Gamma lines: energy in keV and photons per decay (annihilation gives Na-22 two of 511 keV for most decays).
const sources: Record<string, [energy: number, intensity: number][]> = {
  'Ba-133': [
    [81.0, 0.329],
    [276.4, 0.072],
    [302.9, 0.183],
    [356.0, 0.621],
    [383.8, 0.089]
  ],
  'Na-22': [
    [511.0, 1.798],
    [1274.5, 0.999]
  ],
  'Cs-137': [[661.7, 0.851]]
}
const names = Object.keys(sources)
const channels = 512
const width = 3 // keV in a channel

/** Standard deviation of a line: a scintillator of sodium iodide has 7 % full width at half maximum at 662 keV, and the width grows as the root. */
const sigma = (energy: number): number => (0.07 * 661.7 * Math.sqrt(energy / 661.7)) / 2.355

/** Energies that electrons get by Compton scattering of a photon (Klein and Nishina), up to the edge; not normalised. */
function compton(energy: number, t: number): number {
  const [e, s] = [energy / 511, t / energy]
  if (s >= (2 * e) / (1 + 2 * e)) return 0
  return 2 + s ** 2 / (e ** 2 * (1 - s) ** 2) + (s / (1 - s)) * (s - 2 / e)
}

const scaled = (values: number[], total = 1): number[] => values.map((v) => (v * total) / values.reduce((a, b) => a + b))
const energies = Array.from({ length: channels }, (_, i) => (i + 0.5) * width)
const line = (at: number): number[] => energies.map((e) => Math.exp(-((e - at) ** 2) / (2 * sigma(at) ** 2)))

/** What a detector expects of a source, summing to 1: of each line a peak and a Compton continuum, both as wide as the detector makes them. */
const shapes = names.map((name) => {
  const spectrum = new Array<number>(channels).fill(0)
  for (const [energy, intensity] of sources[name]!) {
    const inPeak = 1 / (1 + (energy / 500) ** 1.2)
    const parts = [scaled(line(energy), intensity * inPeak)]
    const continuum = scaled(
      energies.map((t) => compton(energy, t)),
      intensity * (1 - inPeak)
    )
    continuum.forEach((weight, i) => {
      if (weight > 0) parts.push(scaled(line(energies[i]!), weight))
    })
    for (const i of spectrum.keys()) spectrum[i] = parts.reduce((sum, part) => sum + part[i]!, spectrum[i]!)
  }
  return scaled(spectrum)
})
const background = scaled(energies.map((e) => Math.exp(-e / 300) + 0.05))

/** A Poisson number: counted for small means (Knuth), else normal. */
function poisson(mean: number): number {
  if (mean > 50)
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())))
  let count = 0
  for (let product = uniform(); product > Math.exp(-mean); product *= uniform()) count++
  return count
}

/** A measured spectrum: sources add up, each with 100 to 10,000 counts, over a background of 2,000; every channel is a Poisson number. */
function measure(present: readonly boolean[]): { counts: number[]; totals: number[] } {
  const totals = present.map((is) => (is ? 100 * 100 ** uniform() : 0))
  return {
    totals,
    counts: energies.map((_, i) => poisson(2000 * background[i]! + totals.reduce((sum, n, s) => sum + n * shapes[s]![i]!, 0)))
  }
}

/** Spectra (n, channels, 1) as square roots, whose noise is the same everywhere, and which sources are there (n, 3). */
function dataset(n: number) {
  const all = Array.from({ length: n }, () => {
    const present = names.map(() => uniform() < 0.5)
    return { present, ...measure(present) }
  })
  const x = tensor(Float32Array.from(all.flatMap(({ counts }) => counts.map(Math.sqrt))), [n, channels, 1])
  return { all, x, y: tensor(all.map(({ present }) => present.map(Number))) }
}
const [train, test] = [dataset(numbers.samples), dataset(2000)]

const { counts, totals } = measure([true, true, true])
const channelOf = (energy: number): number => Math.floor(energy / width)
const marks = Object.fromEntries(
  names.flatMap((name) => sources[name]!.filter(([, i]) => i > 0.3).map(([e]) => [channelOf(e), `↑${name} ${e}`]))
)
const both = totals.map((n, i) => `${n.toFixed(0)} counts of ${names[i]}`).join(', ')
drawChart(`A spectrum up to ${channels * width} keV (roots of counts): ${both}, and 2000 of background`, counts.map(Math.sqrt), 12, marks)

const conv = (filters: number) => layers.conv1d({ filters, kernelSize: 9, padding: 'same', activation: 'relu' })
const net = sequential([
  layers.batchNormalization({ inputShape: [channels, 1] }),
  conv(8),
  layers.maxPooling1d({ poolSize: 4 }),
  conv(16),
  layers.maxPooling1d({ poolSize: 4 }),
  conv(32),
  layers.maxPooling1d({ poolSize: 2 }),
  layers.flatten(),
  layers.dropout({ rate: 0.3 }),
  layers.dense({ units: 32, activation: 'relu' }),
  // Each source is there or not, whatever the others are: a sigmoid each, no softmax.
  layers.dense({ units: names.length, activation: 'sigmoid' })
])
net.compile({ optimizer: 'adam', loss: 'binaryCrossentropy', metrics: ['binaryAccuracy'] })
await plotModel(net, join(folder, 'network.svg'))
await net.fit(train.x, train.y, { epochs: numbers.epochs, batchSize: 64, validationSplit: 0.1 })

const probabilities = (await (await net.predict(test.x, { batchSize: 500 })).array()) as number[][]
const said = probabilities.map((row) => row.map((p) => p > 0.5))
const share = (hits: number, all: number): string => (all === 0 ? '–' : `${((100 * hits) / all).toFixed(1)} %`)
const found = (s: number, among: (total: number) => boolean): string => {
  const cases = [...test.all.keys()].filter((i) => test.all[i]!.present[s] && among(test.all[i]!.totals[s]!))
  return share(cases.filter((i) => said[i]![s]).length, cases.length)
}
console.log('\nOn 2000 new spectra:')
printTable([
  ['source', 'found, of all', 'with 100 to 300 counts', '300 to 1000', 'over 1000', 'said to be there but not'],
  ...names.map((name, s) => {
    const absent = [...test.all.keys()].filter((i) => !test.all[i]!.present[s])
    const wrong = absent.filter((i) => said[i]![s]).length
    return [
      name,
      found(s, () => true),
      found(s, (n) => n < 300),
      found(s, (n) => n >= 300 && n < 1000),
      found(s, (n) => n >= 1000),
      share(wrong, absent.length)
    ]
  })
])
console.log('\nAll sources of a spectrum right:')
printTable([
  ['sources in it', 'right'],
  ...[0, 1, 2, 3].map((count) => {
    const cases = [...test.all.keys()].filter((i) => test.all[i]!.present.filter(Boolean).length === count)
    const right = cases.filter((i) => said[i]!.every((is, s) => is === test.all[i]!.present[s]))
    return [String(count), share(right.length, cases.length)]
  })
])

// Where the network looks: the mean saliency of spectra with the source, smoothed over the width of a line.
console.log('\nWhich energies decide:')
const rows: string[][] = []
for (const [s, name] of names.entries()) {
  const cases = [...test.all.keys()].filter((i) => test.all[i]!.present[s] && test.all[i]!.totals[s]! > 1000).slice(0, 200)
  const x = tensor(Float32Array.from(cases.flatMap((i) => test.all[i]!.counts.map(Math.sqrt))), [cases.length, channels, 1])
  const map = await visualize.saliency(net, x, s).mean(0).data()
  const smooth = energies.map((_, i) => [-2, -1, 0, 1, 2].reduce((sum, d) => sum + (map[i + d] ?? 0), 0))
  const peaks = energies.map((_, i) => i).filter((i) => smooth[i] === Math.max(...smooth.slice(Math.max(0, i - 12), i + 13)))
  const strongest = peaks.sort((a, b) => smooth[b]! - smooth[a]!).slice(0, 3)
  rows.push([name, strongest.map((i) => `${energies[i]!.toFixed(0)} keV`).join(', '), sources[name]!.map(([e]) => e).join(', ')])
}
printTable([['source', 'most sensitive near', 'its lines / keV'], ...rows])
console.log(`\nThe network is drawn in ${join(folder, 'network.svg')}.`)
