// Module hooks of run.mjs: a .mts file is an ECMAScript module once its types are stripped; './x.mjs' means './x.mts' where that exists.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stripTypes } from './strip-types.mjs'

export function resolve(specifier, context, next) {
  if (/^\.{1,2}\/.*\.mjs$/.test(specifier)) {
    const url = new URL(specifier.replace(/\.mjs$/, '.mts'), context.parentURL)
    if (existsSync(fileURLToPath(url))) return { url: url.href, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

export function load(url, context, next) {
  if (!url.endsWith('.mts')) return next(url, context)
  return { format: 'module', source: stripTypes(fileURLToPath(url), { sourceMaps: 'inline' }), shortCircuit: true }
}
