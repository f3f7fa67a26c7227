/** A state with one thing in it that cannot be. */
export interface Damage {
  /** Where: `keyboard.queue.0`. */
  path: string
  state: unknown
}

/** What no number, boolean, string, array or object of a state may be instead of what it is. */
function* wrong(value: unknown): Generator {
  yield* [undefined, null, Symbol('damage'), () => value]
  if (typeof value !== 'number') yield* [Number.MAX_SAFE_INTEGER, NaN]
  else yield* [NaN, Infinity, -1e300, 1e300, 2 ** 53, BigInt(Math.trunc(value)), String(value)]
  if (typeof value !== 'boolean') yield* [true, false]
  else yield* [0, 1, String(value)]
  if (typeof value === 'string') yield `${value}x`
  if (!Array.isArray(value)) yield []
  else yield* [[...(value as unknown[]), 'x'], [...(value as unknown[]), -2], Array(100_000).fill(0), { length: 0 }]
  if (typeof value !== 'object') yield {}
}

/** Every way to damage one member of a state, at any depth. */
export function* damages(state: object, path = ''): Generator<Damage> {
  for (const [key, value] of Object.entries(state) as [string, unknown][]) {
    const at = path === '' ? key : `${path}.${key}`
    const changed = (replacement: unknown): unknown =>
      Array.isArray(state)
        ? (state as unknown[]).map((element, index) => (String(index) === key ? replacement : element))
        : { ...state, [key]: replacement }
    for (const replacement of wrong(value)) yield { path: at, state: changed(replacement) }
    if (!Array.isArray(state)) {
      yield { path: at, state: Object.fromEntries(Object.entries(state).filter(([name]) => name !== key)) }
    }
    if (typeof value !== 'object' || value === null) continue
    for (const inner of damages(value, at)) yield { path: inner.path, state: changed(inner.state) }
  }
}
