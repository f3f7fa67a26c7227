/** The code of an error that Node, Commander or the library has thrown, for example `ENOENT`; of others its name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error ? String(error.code) : error.name
}
