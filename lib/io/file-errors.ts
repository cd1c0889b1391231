// What goes wrong with files, as errors that name the file and keep the cause.
import { dirname } from 'node:path'
import { FileError, FileNotFoundError, NeuriteError } from '../errors'

/** An error of Node's about reading or writing `path` as one of ours; ours stay as they are. */
export function fileError(action: 'read' | 'written', path: string, cause: unknown): NeuriteError {
  if (cause instanceof NeuriteError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT' || (code === 'ENOTDIR' && action === 'read')) {
    const missing = action === 'read' ? `there is no file ${path}` : `there is no folder ${dirname(path)} to write ${path} in`
    return new FileNotFoundError(missing, { cause })
  }
  return new FileError(`${path} cannot be ${action}: ${message}`, { cause })
}
