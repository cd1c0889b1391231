// Files that are whole or not there: what the system refuses, what breaks in the middle, devices and pipes.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { layers, loadModel, plotModel, sequential, tensor, visualize } from '../../lib'
import { findFiles } from '../../lib/datasets/files'
import { writeWhole } from '../../lib/io/write-whole'

const folder = mkdtempSync(join(tmpdir(), 'neurite-'))
afterAll(() => rmSync(folder, { recursive: true }))
const net = sequential([layers.dense({ units: 1, inputShape: [1] })], { name: 'net' })
const picture = tensor([1], [1, 1])
// biome-ignore lint/suspicious/noExplicitAny: what a caller without types may write
const not = (value: unknown): any => value

test('what breaks in the middle leaves the old file and nothing else', async () => {
  const path = join(folder, 'broken', 'file')
  mkdirSync(join(folder, 'broken'))
  writeFileSync(path, 'old')
  function* parts(): Iterable<Uint8Array> {
    yield Buffer.from('the first part')
    throw new Error('no second part')
  }
  await expect(writeWhole(path, parts(), 'here')).rejects.toMatchObject({
    name: 'FileError',
    message: `[here] ${path} cannot be written: no second part`
  })
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect(readdirSync(join(folder, 'broken'))).toEqual(['file'])
})

const writers: [name: string, write: (path: string) => Promise<unknown>][] = [
  ['visualize.writePng', (path) => visualize.writePng(path, picture)],
  ['plotModel', (path) => plotModel(net, path)]
]
describe.each(writers)('%s', (name, write) => {
  test('names the file, what was being done and the cause', async () => {
    const home = mkdtempSync(join(folder, 'home-'))
    mkdirSync(join(home, 'a-folder'))
    writeFileSync(join(home, 'a-file'), 'old')
    const refused: [path: string, code: string][] = [
      [join(home, 'a-folder'), 'EISDIR'],
      [join(home, 'a-file', 'below'), 'ENOTDIR'],
      [join(home, 'x'.repeat(300)), 'ENAMETOOLONG']
    ]
    if (existsSync('/dev/full') && statSync('/dev/full').isCharacterDevice()) refused.push(['/dev/full', 'ENOSPC'])
    for (const [path, code] of refused) {
      await expect(write(path)).rejects.toMatchObject({
        name: 'FileError',
        message: expect.stringContaining(`[${name}] ${path} cannot be written: ${code}`),
        cause: { code }
      })
    }
    await expect(write(join(home, 'no', 'folder'))).rejects.toMatchObject({
      name: 'FileNotFoundError',
      message: `[${name}] there is no folder ${join(home, 'no')} to write ${join(home, 'no', 'folder')} in`,
      cause: { code: 'ENOENT' }
    })
    expect(readdirSync(home).sort()).toEqual(['a-file', 'a-folder'])
    expect(readFileSync(join(home, 'a-file'), 'utf8')).toBe('old')
  })

  test('replaces the old file', async () => {
    const path = join(folder, `${name}.out`)
    writeFileSync(path, 'old')
    await write(path)
    expect(readFileSync(path, 'utf8')).not.toBe('old')
    expect(readdirSync(folder).filter((file) => file.endsWith('.tmp'))).toEqual([])
  })
})

test('what cannot be read', async () => {
  await expect(visualize.readPng(folder)).rejects.toMatchObject({
    name: 'FileError',
    message: expect.stringContaining(`[visualize.readPng] ${folder} cannot be read: EISDIR`),
    cause: { code: 'EISDIR' }
  })
  const missing = join(folder, 'missing.png')
  await expect(visualize.readPng(missing)).rejects.toMatchObject({
    name: 'FileNotFoundError',
    message: `[visualize.readPng] there is no file ${missing}`
  })
  const set = { dataset: 'letters', checksums: { a: '' }, checksumsOf: 'contents', mirrors: [] } as const
  const home = mkdtempSync(join(folder, 'data-'))
  mkdirSync(join(home, 'a'))
  await expect((await findFiles(set, { folder: home }))('a')).rejects.toMatchObject({
    name: 'FileError',
    message: expect.stringContaining(`[datasets.letters] ${join(home, 'a')} cannot be read: EISDIR`)
  })
})

test('a path that is none', async () => {
  const calls: Record<string, (path: never) => Promise<unknown>> = {
    'visualize.writePng] expected file': (path) => visualize.writePng(path, picture),
    'visualize.readPng] expected file': visualize.readPng,
    'save] expected file': (path) => net.save(path),
    'saveWeights] expected file': (path) => net.saveWeights(path),
    'loadWeights] expected file': (path) => net.loadWeights(path),
    'loadModel] expected path': loadModel
  }
  for (const [what, call] of Object.entries(calls)) {
    for (const [path, received] of [
      [1, '1'],
      ['', '""'],
      [undefined, 'undefined'],
      [{ file: 'x' }, 'Object']
    ]) {
      await expect(call(path as never)).rejects.toMatchObject({
        name: 'ArgumentError',
        message: `[${what} to be a path, received ${received}`
      })
    }
  }
  await expect(plotModel(net, not({ toFile: 'x' }))).rejects.toThrow('[plotModel] expected file to be a path, received Object')
})
