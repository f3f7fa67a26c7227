type Step = () => void | Promise<void>

/** The promise that a device has returned, if it has: what else it returns means nothing. */
export function promised(returned: unknown): Promise<void> | undefined {
  const { then } = (returned ?? {}) as Partial<PromiseLike<void>>
  return typeof then === 'function' ? Promise.resolve(returned as PromiseLike<void>) : undefined
}

/** One step after the other, and then the last: at once, unless one of them returns a promise. */
export function inOrder(steps: readonly Step[], last: Step = () => undefined): void | Promise<void> {
  for (const [index, step] of steps.entries()) {
    const pending = step()
    if (pending !== undefined) return pending.then(() => inOrder(steps.slice(index + 1), last))
  }
  return last()
}
