// What a contender of peers/main.mts does: it answers one line of JSON per line read. "train SECONDS", "predict BATCH SECONDS", "accuracy SEED".
import { createInterface } from 'node:readline'

export interface Contender {
  /** Trains for about that long. Returns samples. */
  train?(seconds: number): Promise<number>
  /** One prediction of a batch, read back. */
  predict?(batch: number): Promise<void>
  /** Test accuracy after one epoch from new weights. */
  accuracy?(seed: number): Promise<number>
}

export async function serve(name: string, contender: Contender): Promise<void> {
  const say = (answer: object) => console.log(JSON.stringify(answer))
  say({ ready: name })
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...numbers] = line.split(' ')
    const begin = performance.now()
    const busy = process.cpuUsage()
    const seconds = () => (performance.now() - begin) / 1e3
    let answer = {}
    if (command === 'train') {
      const samples = await contender.train!(Number(numbers[0]))
      answer = { rate: samples / seconds() }
    } else if (command === 'predict') {
      const [batch, limit] = numbers.map(Number) as [number, number]
      let count = 0
      for (; seconds() < limit; count++) await contender.predict!(batch)
      answer = { rate: (count * batch) / seconds() }
    } else if (command === 'accuracy') {
      answer = { accuracy: await contender.accuracy!(Number(numbers[0])) }
    }
    const { user, system } = process.cpuUsage(busy)
    const peakBytes = process.resourceUsage().maxRSS * 1024
    say({ ...answer, cores: (user + system) / 1e6 / seconds(), peakBytes })
  }
}
