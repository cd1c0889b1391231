// The loader's order and its errors, with files that stand in for the addon.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoadError } from '../lib/errors'
import { load } from '../lib/load'

const folder = mkdtempSync(join(tmpdir(), 'neurite-load-'))
const before = process.env.NEURITE_BINARY
const opsHash = createHash('sha256')
  .update(readFileSync(join(__dirname, '../native/ops.def')))
  .digest('hex')
  .slice(0, 16)

afterAll(() => {
  rmSync(folder, { recursive: true })
  if (before === undefined) delete process.env.NEURITE_BINARY
  else process.env.NEURITE_BINARY = before
})

/** Points NEURITE_BINARY to a file with this content, or to none, and returns its path. */
function binary(name: string, content?: string): string {
  const path = join(folder, name)
  if (content !== undefined) writeFileSync(path, content)
  process.env.NEURITE_BINARY = path
  return path
}

function failure(): LoadError {
  try {
    load()
  } catch (error) {
    if (error instanceof LoadError) return error
    throw error
  }
  throw new Error('load() did not throw')
}

test('NEURITE_BINARY comes first', () => {
  const path = binary('good.cjs', `module.exports = { opsHash: '${opsHash}' }`)
  expect(load()).toMatchObject({ path, native: { opsHash } })
})

test('a missing file: platform, path and numbered fixes, and nothing else is tried', () => {
  const path = binary('missing.node')
  const { code, message } = failure()
  expect(code).toBe('LoadError')
  expect(message).toContain(`${process.platform} ${process.arch}`)
  expect(message).toContain(`Node ${process.version}, Node-API ${process.versions.napi}`)
  expect(message).toContain(`- ${path}: not there`)
  expect(message).toMatch(/1\. NEURITE_BINARY is set/)
  expect(message.match(/^ {2}- /gm)).toHaveLength(1)
})

test('a broken file: its error is in the message and is the cause', () => {
  const path = binary('broken.node', 'not a shared library')
  const { message, cause } = failure()
  expect(message).toContain(`- ${path}: `)
  expect(message).toContain((cause as Error).message)
})

test('an addon of another ops.def is named as the old one', () => {
  const path = binary('old.cjs', `module.exports = { opsHash: 'f00d' }`)
  const { message } = failure()
  expect(message).toContain(`ops.def f00d in the addon, ${opsHash} in the library`)
  expect(message).toContain(`${path} is old`)
  expect(message).not.toMatch(/lib is old/)
})
