/** What `make` returns, made when it is asked for first, and kept: for tables that many programs never look at. */
export function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
