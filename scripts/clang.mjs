// clang-format and clang-tidy over the C++ and CUDA sources that git knows. usage: clang.mjs format [--write] | lint
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' })
const files = (...patterns) =>
  spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', ...patterns], { cwd: root, encoding: 'utf8' })
    .stdout.split('\0')
    .filter(Boolean)

const [mode, write] = process.argv.slice(2)
const { error, status } =
  mode === 'format'
    ? run('clang-format', [...(write ? ['-i'] : ['--dry-run', '--Werror']), ...files('*.cc', '*.h', '*.cu', '*.cuh')])
    : run('clang-tidy', ['-p', 'build', '--quiet', ...files('native/*.cc')])
if (error) console.error(`${error.path} does not run: ${error.message}`)
process.exitCode = status ?? 1
