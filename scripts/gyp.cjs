// What binding.gyp and CMakeLists.txt ask of Node: source lists, include folders, the hash of ops.def, the version.
const { createHash } = require('node:crypto')
const { existsSync, readFileSync, readdirSync } = require('node:fs')
const { dirname, join } = require('node:path')

const root = dirname(__dirname)

function sources(folder) {
  if (!existsSync(join(root, folder))) return ''
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.cc'))
  return names
    .sort()
    .map((name) => `${folder}/${name}`)
    .join('\n')
}

// node-api-headers comes with cmake-js and lies beside or below it, depending on the package manager.
function includes() {
  const headers = require(require.resolve('node-api-headers', { paths: [dirname(require.resolve('cmake-js/package.json'))] }))
  return `${headers.include_dir};${require('node-addon-api').include_dir}`
}

const answers = {
  sources: () => sources(process.argv[3]),
  includes,
  'ops-hash': () =>
    createHash('sha256')
      .update(readFileSync(join(root, 'native/ops.def')))
      .digest('hex')
      .slice(0, 16),
  version: () => require('../package.json').version
}

console.log(answers[process.argv[2]]())
