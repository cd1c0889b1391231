// Writing a file so that whoever reads it sees the old one or the new one, never a part.
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileError } from './file-errors'

/**
 * Writes a file under a temporary name in the same folder, flushes it to the disk and renames it: a process that is killed meanwhile leaves the old file
 * whole. What it left beside it is removed by the next write to the same path. A device or pipe is written to as it is.
 * @param where what is named in front of messages; undefined: nothing
 * @throws FileNotFoundError if there is no such folder; FileError if it cannot be written
 */
export async function writeWhole(path: string, parts: Iterable<Uint8Array>, where?: string): Promise<void> {
  // Through a symbolic link the file that it points to is replaced, not the link.
  const target = await realpath(path).catch(() => path)
  const old = await stat(path).catch(() => undefined)
  try {
    if (old === undefined || old.isFile()) await replace(target, parts, old === undefined ? 0o666 : old.mode & 0o777)
    // Opening a folder fails, with the reason.
    else await writeParts(await open(path, 'w'), parts)
  } catch (error) {
    throw fileError('written', path, error, where)
  }
}

async function replace(target: string, parts: Iterable<Uint8Array>, mode: number): Promise<void> {
  await removeStale(target)
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`)
  const file = await open(temporary, 'wx', mode)
  try {
    await writeParts(file, parts, true)
    await rename(temporary, target)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await syncFolder(dirname(target))
}

async function writeParts(file: FileHandle, parts: Iterable<Uint8Array>, flush = false): Promise<void> {
  try {
    for (const part of parts) await writeAll(file, part)
    if (flush) await file.sync()
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.byteLength; ) {
    const { bytesWritten } = await file.write(data, done, Math.min(data.byteLength - done, 2 ** 30))
    done += bytesWritten
  }
}

/** Removes temporaries of `target` whose process is gone. Their names hold its id; one that cannot be removed stays. */
async function removeStale(target: string): Promise<void> {
  const prefix = `.${basename(target)}.`
  const names = await readdir(dirname(target)).catch(() => [])
  for (const name of names) {
    if (!name.startsWith(prefix)) continue
    const pid = /^(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length))?.[1]
    if (pid !== undefined && !isRunning(Number(pid))) await unlink(join(dirname(target), name)).catch(() => {})
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

// The rename itself survives a power failure only when the folder is flushed too; not every file system can do that.
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  if (handle === undefined) return
  await handle.sync().catch(() => {})
  await handle.close()
}
