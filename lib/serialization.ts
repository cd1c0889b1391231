// Names and classes: what a string stands for, how objects are written to a file as class name and config, and how they come back.
import { camelCase, checkOptions, fixProperties, type OptionNames, suggestion } from './arguments'
import { ArgumentError, show } from './errors'

/** The options that make an object again: JSON values only. */
export type Config = Record<string, unknown>

/** An object as it stands in a file. */
export interface Serialized {
  className: string
  config: Config
}

/** A function of the user's own, by its name: it comes back from `customObjects`. */
export interface SerializedFunction {
  function: string
}

/** Classes and functions of the user's own, by the names they have in a file. */
export type CustomObjects = Record<string, unknown>

/** An object that can be written: `new Class(object.getConfig())` makes its equal. */
export interface Configurable {
  getConfig(): Config
}

// biome-ignore lint/suspicious/noExplicitAny: every class has options of its own
export type Constructor<T> = new (options?: any) => T

let current: CustomObjects = {}

/** Runs `fn` with these classes and functions known besides the library's own. `fn` is synchronous. */
export function withCustomObjects<T>(objects: CustomObjects | undefined, fn: () => T): T {
  const outer = current
  current = { ...outer, ...objects }
  try {
    return fn()
  } finally {
    current = outer
  }
}

/** The class name of an object in files: the static `className` if its class has one of its own, else the class's name. */
export function classNameOf(object: object): string {
  const type = object.constructor as { name: string; className?: string }
  return Object.hasOwn(type, 'className') ? type.className! : type.name
}

/** The name of a class as messages and defaults spell it: `KLDivergence` → `klDivergence`. */
export function kindOf({ name }: { name: string }): string {
  let kind = kinds.get(name)
  if (kind === undefined) {
    const capitals = /^[A-Z]+(?![a-z])/.exec(name)?.[0] ?? name.charAt(0)
    kind = capitals.toLowerCase() + name.slice(capitals.length)
    kinds.set(name, kind)
  }
  return kind
}

/** Every call of a layer asks for its kind. */
const kinds = new Map<string, string>()

/** The classes of the library: all that are in a registry. */
const libraryClasses = new WeakSet<object>()

/** Options of an object of class `type`: a class of the user's own may have others besides. @throws ArgumentError as {@link checkOptions} */
export function classOptions<O extends object>(owner: string, type: object, options: O, names: OptionNames): O {
  namesOf.set(type, names)
  return checkOptions(owner, options, names, !libraryClasses.has(type))
}

/** Names of the options of a class, as its objects were made. */
const namesOf = new WeakMap<object, OptionNames>()

/**
 * The object, whose options cannot be set from now on, except those named: they are constants of captured steps, or have been used.
 * What a class of the user's own has besides the options of the library's is not touched.
 */
export function fixOptions<T extends object>(object: T, except: readonly string[] = []): T {
  const names = Object.keys(namesOf.get(object.constructor) ?? {})
  // Others are accessors of the class's own.
  const fixable = names.filter((name) => !except.includes(name) && (Object.hasOwn(object, name) || !(name in object)))
  fixProperties(kindOf(object.constructor), object, fixable, 'make a new one with that option')
  return object
}

/** Whether this is a class of the library's, not one of the user's own. */
export function isLibraryClass(type: object): boolean {
  return libraryClasses.has(type)
}

/** A class of objects that are made of a function of the user's own. */
// biome-ignore lint/suspicious/noExplicitAny: every kind has functions of its own
export type FunctionClass<T> = new (fn: any) => T & { readonly fn: (...args: never[]) => unknown }

/** One kind of objects (layers, losses, …): their short names, their class names, and how any of the accepted forms becomes an object. */
export class Registry<T extends object> {
  private readonly byName = new Map<string, Constructor<T>>()
  private readonly byClassName = new Map<string, Constructor<T>>()

  /**
   * @param kind what messages call it, such as `optimizer`
   * @param base the class of all such objects
   * @param classes the library's classes by their names in strings
   * @param aliases further names, such as `mse`
   * @param functions the class of objects made of a function, if there is one
   */
  constructor(
    readonly kind: string,
    private readonly base: abstract new (...args: never[]) => T,
    classes: Record<string, Constructor<T>>,
    aliases: Record<string, string> = {},
    private readonly functions?: FunctionClass<T>
  ) {
    this.add(classes)
    for (const [alias, name] of Object.entries(aliases)) this.byName.set(alias, this.byName.get(name)!)
  }

  /** Makes further classes known by their names in strings. */
  add(classes: Record<string, Constructor<T>>): void {
    for (const [name, type] of Object.entries(classes)) {
      this.byName.set(name, type)
      this.byClassName.set(classNameOf(type.prototype), type)
      libraryClasses.add(type)
    }
  }

  /** Whether this is a class of the library's. */
  has(type: unknown): boolean {
    return [...this.byClassName.values()].includes(type as Constructor<T>)
  }

  /** All names that a string may be. */
  get names(): string[] {
    return [...this.byName.keys()]
  }

  /** The class that a string stands for. @throws ArgumentError with the nearest name */
  named(name: string): Constructor<T> {
    const type = this.byName.get(name) ?? (Object.hasOwn(current, name) ? (current[name] as Constructor<T>) : undefined)
    if (type) return type
    throw unknownName(this.kind, name, this.names)
  }

  /**
   * An object from a name, an object, what {@link serialize} wrote, or a function where this kind takes one.
   * @throws ArgumentError for an unknown name, with the nearest, and for anything else
   */
  get(spec: unknown): T {
    const object = this.find(spec)
    if (object) return object
    const forms = this.functions ? 'a name, an object or a function' : 'a name, an object or its config'
    throw new ArgumentError(`expected ${article(this.kind)} (${forms}), received ${show(spec)}`)
  }

  /** As {@link get}, but undefined for what is none of these forms. */
  find(spec: unknown): T | undefined {
    if (spec instanceof this.base) return spec
    if (typeof spec === 'string') return this.make(this.named(spec), {})
    if (isSerialized(spec)) return this.deserialize(spec)
    if (!this.functions) return undefined
    const fn = typeof spec === 'function' ? spec : deserializeFunction(this.kind, spec)
    return fn && new this.functions(fn)
  }

  /** What a file holds for an object. @throws ArgumentError if it is made of a function that has no name */
  serialize(object: T & Configurable): Serialized | SerializedFunction {
    if (this.functions && object instanceof this.functions) return serializeFunction(this.kind, object.fn)
    return this.write(object)
  }

  /** As {@link serialize}, for kinds that are never made of functions. */
  write(object: T & Configurable): Serialized {
    return { className: classNameOf(object), config: object.getConfig() }
  }

  /** @throws ArgumentError if the class is neither the library's nor among the custom objects */
  deserialize({ className, config }: Serialized): T {
    const custom = Object.hasOwn(current, className) ? (current[className] as Constructor<T>) : undefined
    const type = custom ?? this.byClassName.get(className)
    if (typeof type !== 'function') throw unknownClass(this.kind, className)
    return this.make(type, config)
  }

  private make(type: Constructor<T>, config: Config): T {
    const object = new type(config)
    if (object instanceof this.base) return object
    throw new ArgumentError(`expected ${type.name} to be a class of ${this.kind}s`)
  }
}

/**
 * `spec`, which is not what makes an object of that kind: `losses.huber` in place of `losses.huber()`, or its class.
 * @throws ArgumentError
 */
export function calledOnce<T extends object, S>(registry: Registry<T>, spec: S): S {
  if (typeof spec !== 'function' || spec.length > 1) return spec
  const name = kindOf(spec)
  if (!registry.names.includes(name)) return spec
  throw new ArgumentError(`expected ${article(registry.kind)}, received what makes one: call it, as in ${name}()`)
}

export function isSerialized(value: unknown): value is Serialized {
  return typeof value === 'object' && value !== null && typeof (value as Serialized).className === 'string'
}

/** A function of the user's own as it is written. @throws ArgumentError if it has no name to be found by */
export function serializeFunction(kind: string, fn: { name: string }): SerializedFunction {
  if (fn.name) return { function: fn.name }
  throw new ArgumentError(`${article(kind)} that is saved needs a name: expected a named function, received an anonymous one`)
}

/** The function that {@link serializeFunction} wrote, from the custom objects, or undefined if `value` is nothing of the kind. */
export function deserializeFunction(kind: string, value: unknown): ((...args: never[]) => unknown) | undefined {
  const name = (value as SerializedFunction | null)?.function
  if (typeof name !== 'string') return undefined
  const fn = Object.hasOwn(current, name) ? current[name] : undefined
  if (typeof fn === 'function') return fn as (...args: never[]) => unknown
  throw unknownClass(kind, name)
}

/** The error for a name that means nothing: it says the camelCase spelling, or the nearest name. */
export function unknownName(kind: string, name: string, known: readonly string[]): ArgumentError {
  const camel = camelCase(name)
  if (camel !== name && known.includes(camel)) {
    return new ArgumentError(`unknown ${kind} '${name}': the name is '${camel}'`)
  }
  return new ArgumentError(`unknown ${kind} '${name}': ${suggestion(name, known)}`)
}

/** A class or function that a file names and nobody has passed: a mistake of the call, not of the file. */
export class UnknownClassError extends ArgumentError {}

function unknownClass(kind: string, name: string): ArgumentError {
  return new UnknownClassError(`unknown ${kind} ${name}: pass what it is, as in loadModel(file, { customObjects: { ${name} } })`)
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
}
