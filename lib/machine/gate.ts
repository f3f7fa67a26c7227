/** What one waits at: open at first. */
export class Gate {
  #opened: Promise<void> | undefined
  #open: () => void = () => undefined

  get closed(): boolean {
    return this.#opened !== undefined
  }

  /** Resolves when it is open, even if it was closed again while somebody was about to pass. */
  async pass(): Promise<void> {
    while (this.#opened !== undefined) await this.#opened
  }

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#opened = undefined
    this.#open()
  }
}
