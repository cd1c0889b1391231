// Names, classes and custom objects: how they are found, written and read, and what is said when they are not.
import { ArgumentError } from '../lib'
import { suggestion } from '../lib/arguments'
import { type Config, classNameOf, deserializeFunction, kindOf, Registry, serializeFunction, withCustomObjects } from '../lib/serialization'

abstract class Shape {
  constructor(readonly options: { size?: number } = {}) {}
  getConfig(): Config {
    return { ...this.options }
  }
}
class Circle extends Shape {}
class RoundSquare extends Shape {
  static readonly className: string = 'Squircle'
}
const registry = new Registry<Shape>('shape', Shape, { circle: Circle, roundSquare: RoundSquare }, { disc: 'circle' })

test('a name, an alias, an object and a config', () => {
  expect(registry.names).toEqual(['circle', 'roundSquare', 'disc'])
  expect(registry.get('disc')).toBeInstanceOf(Circle)
  const circle = new Circle({ size: 3 })
  expect(registry.get(circle)).toBe(circle)
  expect(registry.serialize(circle)).toEqual({ className: 'Circle', config: { size: 3 } })
  expect(registry.get({ className: 'Squircle', config: { size: 2 } })).toEqual(new RoundSquare({ size: 2 }))
  expect(() => registry.get(null as unknown as Shape)).toThrow('expected a shape (a name, an object or its config), received null')
})

test('a subclass of a class with a name of its own in files is written under its own', () => {
  class Pill extends RoundSquare {}
  expect([classNameOf(new RoundSquare()), classNameOf(new Pill())]).toEqual(['Squircle', 'Pill'])
})

test('own classes are known inside withCustomObjects only, which nests', () => {
  class Star extends Shape {}
  const written = { className: 'Star', config: {} }
  expect(() => registry.get(written)).toThrow(ArgumentError)
  expect(() => registry.get(written)).toThrow('unknown shape Star: pass what it is, as in loadModel(file, { customObjects: { Star } })')
  withCustomObjects({ Star }, () => {
    expect(withCustomObjects({ Circle: Star }, () => registry.get({ className: 'Circle', config: {} }))).toBeInstanceOf(Star)
    expect(registry.get(written)).toBeInstanceOf(Star)
    expect(registry.get({ className: 'Circle', config: {} })).toBeInstanceOf(Circle)
  })
  expect(() =>
    withCustomObjects({ Star }, () => {
      throw new Error('stop')
    })
  ).toThrow('stop')
  expect(() => registry.get(written)).toThrow(ArgumentError)
  expect(() => withCustomObjects({ Star: Date }, () => registry.get(written))).toThrow('expected Date to be a class of shapes')
  for (const className of ['constructor', '__proto__', 'toString'])
    expect(() => registry.get({ className, config: {} })).toThrow(ArgumentError)
})

test('functions go by their names', () => {
  function half(): void {}
  expect(serializeFunction('activation', half)).toEqual({ function: 'half' })
  expect(() => serializeFunction('activation', () => 0)).toThrow('needs a name')
  expect(deserializeFunction('activation', 'relu')).toBeUndefined()
  expect(deserializeFunction('activation', null)).toBeUndefined()
  expect(withCustomObjects({ half }, () => deserializeFunction('activation', { function: 'half' }))).toBe(half)
  expect(() => deserializeFunction('activation', { function: 'toString' })).toThrow(/toString.*customObjects/)
})

test('the name that is meant, or all that there are', () => {
  const options = ['name', 'learningRate', 'weightDecay', 'inputShape', 'dtype']
  const meant: [name: string, known: string[], meant: string][] = [
    ['adamm', ['sgd', 'adam', 'adamW'], 'adam'],
    ['ADAM', ['sgd', 'adam'], 'adam'],
    ['lr', options, 'learningRate'],
    ['learningrat', options, 'learningRate'],
    ['decay', options, 'weightDecay'],
    ['inputDim', options, 'inputShape'],
    ['input_dim', options, 'inputShape'],
    ['anything', ['only'], 'only']
  ]
  for (const [name, known, candidate] of meant) expect([name, suggestion(name, known)]).toEqual([name, `did you mean '${candidate}'?`])
  expect(suggestion('bogus', options)).toBe("expected one of 'name', 'learningRate', 'weightDecay', 'inputShape', 'dtype'")
  expect(suggestion('', ['abc', 'a'])).toBe("expected one of 'abc', 'a'")
  expect(() => registry.get('circel')).toThrow("unknown shape 'circel': did you mean 'circle'?")
  expect(() => registry.get('round_square')).toThrow("unknown shape 'round_square': the name is 'roundSquare'")
})

test('the kind of a class', () => {
  expect(['Dense', 'KLDivergence', 'SGD', 'AdamW', 'L1L2', 'Elu'].map((name) => kindOf({ name }))).toEqual([
    'dense',
    'klDivergence',
    'sgd',
    'adamW',
    'l1L2',
    'elu'
  ])
})
