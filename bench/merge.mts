// Results of a run, put in the place of those that the same cases had before.

interface Case {
  device: string
  group: string
  name: string
}

/** `before` with the cases of `now` replaced, in their places; new cases follow. */
export function merged<T extends Case>(before: readonly T[], now: readonly T[]): T[] {
  const key = ({ device, group, name }: Case) => JSON.stringify([device, group, name])
  return [...new Map([...before, ...now].map((result) => [key(result), result])).values()]
}
