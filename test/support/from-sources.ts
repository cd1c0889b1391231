// Programs for processes and threads of their own, which jest does not compile for: they run lib/ from the TypeScript sources too.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

const folder = resolve(__dirname, '../../lib')

/** Makes `require` strip types. Nothing in the offline bundle, where lib/ is JavaScript. */
const stripTypes = (): string => `
  const { readFileSync } = require('node:fs')
  const { transformSync } = require(${JSON.stringify(require.resolve('@swc/core'))})
  const options = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
  require.extensions['.ts'] = (module, filename) =>
    module._compile(transformSync(readFileSync(filename, 'utf8'), { ...options, filename }).code, filename)
`

/** Code of a CommonJS program in which `lib('index')` gives what lib/index.ts exports. */
export const fromSources = (program: string): string => `
  ${existsSync(`${folder}/index.ts`) ? stripTypes() : ''}
  const lib = (path) => require(${JSON.stringify(`${folder}/`)} + path)
  ${program}
`
