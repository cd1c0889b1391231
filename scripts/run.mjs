// Runs a TypeScript program of this repository: run.mjs FOLDER NAME [ARGS], where FOLDER/NAME is a .mts (module) or .ts (CommonJS) file.
// Without a NAME it lists what there is. Types are stripped, not checked. `import 'neurite'` gives the built package.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stripTypes } from './strip-types.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const [folder, name, ...args] = process.argv.slice(2)
const programs = readdirSync(join(root, folder)).filter((file) => /\.m?ts$/.test(file))
const file = programs.find((program) => bare(program) === name)
if (!file) {
  if (name !== undefined) console.error(`There is no ${name}.\n`)
  const width = Math.max(...programs.map((program) => bare(program).length))
  for (const program of programs) console.log(`${bare(program).padEnd(width)}  ${firstLine(join(root, folder, program))}`)
  process.exit(name === undefined ? 0 : 2)
}
const path = join(root, folder, file)
process.argv = [process.argv[0], path, ...args]

register('./ts-hooks.mjs', import.meta.url)
const require = createRequire(import.meta.url)
require.extensions['.ts'] = (module, filename) => module._compile(stripTypes(filename, { sourceMaps: 'inline' }), filename)

function bare(program) {
  return program.replace(/\.m?ts$/, '')
}

/** What a file says of itself. */
function firstLine(path) {
  return readFileSync(path, 'utf8')
    .split('\n', 1)[0]
    .replace(/^\/\/ /, '')
}

if (file.endsWith('.mts')) await import(pathToFileURL(path))
else require(path)
