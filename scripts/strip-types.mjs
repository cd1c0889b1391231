// TypeScript to JavaScript: types are stripped, not checked. As a program, strip-types.mjs FOLDER TARGET: every .mts file of a folder and those
// below as .mjs in another.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'

/** The code of a file, as a module where it is a .mts, else as CommonJS. */
export function stripTypes(filename, options) {
  const type = filename.endsWith('.mts') ? 'nodenext' : 'commonjs'
  const jsc = { target: 'es2022', parser: { syntax: 'typescript' } }
  return transformSync(readFileSync(filename, 'utf8'), { filename, jsc, module: { type }, ...options }).code
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, target] = process.argv.slice(2)
  for (const path of readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.mts') && !file.includes('node_modules'))) {
    mkdirSync(dirname(join(target, path)), { recursive: true })
    writeFileSync(join(target, path.replace(/ts$/, 'js')), stripTypes(join(folder, path)))
  }
}
