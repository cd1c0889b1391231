// Compiles lib/ into dist/ and generates what depends on it: the ESM wrapper with its types, and the hash of native/ops.def that the
// loader compares with the addon's.
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

function compile() {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.build.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: report }
  )
  const program = ts.createProgram(config.fileNames, config.options)
  const diagnostics = ts.getPreEmitDiagnostics(program)
  if (diagnostics.length === 0) {
    rmSync(dist, { recursive: true, force: true })
    program.emit()
  }
  diagnostics.forEach(report)
  return program
}

function report(diagnostic) {
  process.exitCode = 1
  console.error(
    ts.formatDiagnosticsWithColorAndContext([diagnostic], {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => root,
      getNewLine: () => '\n'
    })
  )
}

/** Names of the values (not the types) that lib/index.ts exports. */
function exportedValues(program) {
  const checker = program.getTypeChecker()
  const index = checker.getSymbolAtLocation(program.getSourceFile(join(root, 'lib/index.ts')))
  const target = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
  return checker
    .getExportsOfModule(index)
    .filter((symbol) => target(symbol).flags & ts.SymbolFlags.Value)
    .map((symbol) => symbol.name)
    .sort()
}

const program = compile()
if (!process.exitCode) {
  const names = exportedValues(program)
  writeFileSync(
    join(dist, 'index.mjs'),
    `// Generated. The package is one CommonJS module; this gives its exports to \`import\` by name.\nimport neurite from './index.js'\n` +
      `export const {\n${names.map((name) => `  ${name},\n`).join('')}} = neurite\n`
  )
  writeFileSync(join(dist, 'index.d.mts'), `export * from './index.js'\n`)
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'native/ops.def')))
    .digest('hex')
  writeFileSync(join(dist, 'ops-hash.json'), `${JSON.stringify(hash.slice(0, 16))}\n`)
}
