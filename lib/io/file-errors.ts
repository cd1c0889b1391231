// What goes wrong with files, as errors that name the file and keep the cause.
import { dirname } from 'node:path'
import { ArgumentError, FileError, FileNotFoundError, failure, NeuriteError, show } from '../errors'

/**
 * An error of Node's about reading or writing `path` as one of ours; ours stay as they are.
 * @param where what is named in front of the message; undefined: nothing
 */
export function fileError(action: 'read' | 'written', path: string, cause: unknown, where?: string): NeuriteError {
  if (cause instanceof NeuriteError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const isMissing = code === 'ENOENT' || (code === 'ENOTDIR' && action === 'read')
  const missing = action === 'read' ? `there is no file ${path}` : `there is no folder ${dirname(path)} to write ${path} in`
  const text = isMissing ? missing : `${path} cannot be ${action}: ${message}`
  const Type = isMissing ? FileNotFoundError : FileError
  return where === undefined ? new Type(text, { cause }) : failure(Type, where, text, cause)
}

/** @throws ArgumentError unless `path` is a path: a number would be a file that is open already */
export function checkPath(where: string, name: string, path: unknown): asserts path is string {
  if (typeof path === 'string' && path !== '') return
  throw failure(ArgumentError, where, `expected ${name} to be a path, received ${show(path)}`)
}
