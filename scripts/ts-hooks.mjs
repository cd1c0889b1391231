// Module hooks of run.mjs: a .mts file is an ECMAScript module once its types are stripped; './x.mjs' means './x.mts' where that exists.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/core'

export function resolve(specifier, context, next) {
  if (/^\.{1,2}\/.*\.mjs$/.test(specifier)) {
    const url = new URL(specifier.replace(/\.mjs$/, '.mts'), context.parentURL)
    if (existsSync(fileURLToPath(url))) return { url: url.href, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

export function load(url, context, next) {
  if (!url.endsWith('.mts')) return next(url, context)
  const filename = fileURLToPath(url)
  const jsc = { target: 'es2022', parser: { syntax: 'typescript' } }
  const { code } = transformSync(readFileSync(filename, 'utf8'), { filename, jsc, module: { type: 'nodenext' }, sourceMaps: 'inline' })
  return { format: 'module', source: code, shortCircuit: true }
}
