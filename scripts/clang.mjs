// clang-format and clang-tidy over the C++ and CUDA sources. usage: clang.mjs format [--write] | lint
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Formats, or says what is not formatted, in all files that git knows or would add. */
function format(write) {
  const patterns = ['*.cc', '*.cpp', '*.h', '*.cu', '*.cuh']
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', ...patterns], {
    cwd: root,
    encoding: 'utf8'
  })
  const files = listed.stdout.split('\0').filter(Boolean)
  const { status, error } = spawnSync('clang-format', [...(write ? ['-i'] : ['--dry-run', '--Werror']), ...files], {
    cwd: root,
    stdio: 'inherit'
  })
  if (error) console.error(`clang-format does not run: ${error.message}`)
  return status === 0
}

/** Lints what the build compiled as C++, a file that is compiled for several instruction sets once, as many at a time as there are cores. */
async function lint() {
  const commands = JSON.parse(readFileSync(join(root, 'build/compile_commands.json'), 'utf8'))
  const once = new Map(commands.filter(({ file }) => file.endsWith('.cc')).map((command) => [command.file, command]))
  mkdirSync(join(root, 'build/lint'), { recursive: true })
  writeFileSync(join(root, 'build/lint/compile_commands.json'), JSON.stringify([...once.values()]))
  const files = [...once.keys()]
  let clean = true
  const worker = async () => {
    for (let file = files.pop(); file; file = files.pop()) clean = (await tidy(file)) && clean
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return clean
}

function tidy(file) {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn('clang-tidy', ['-p', 'build/lint', '--quiet', file], { cwd: root })
    child.stdout.on('data', (data) => {
      output += data
    })
    child.on('error', ({ message }) => {
      output += `clang-tidy does not run: ${message}\n`
    })
    child.on('close', (status) => {
      process.stdout.write(output)
      resolve(status === 0)
    })
  })
}

const [mode, write] = process.argv.slice(2)
process.exitCode = (mode === 'format' ? format(write === '--write') : await lint()) ? 0 : 1
