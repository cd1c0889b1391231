// The names that layers have by default, as in Keras: dense, dense_1, dense_2, …

/** How many layers had each name so far. */
const counts = new Map<string, number>()

/** The next name of a class, in the order of construction. */
export function defaultName(className: string): string {
  const base = snakeCase(className)
  const count = counts.get(base) ?? 0
  counts.set(base, count + 1)
  return numbered(base, count)
}

/** The first name of a class that is not taken. */
export function firstFreeName(className: string, taken: ReadonlySet<string>): string {
  const base = snakeCase(className)
  let number = 0
  while (taken.has(numbered(base, number))) number++
  return numbered(base, number)
}

const numbered = (base: string, number: number): string => (number === 0 ? base : `${base}_${number}`)

/** `LeakyReLU` → `leaky_re_lu`. */
function snakeCase(className: string): string {
  return className
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}
