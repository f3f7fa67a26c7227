// @ts-check
// The kernel's console: shown while it is written when asked for, else only kept, to be shown when something fails.

/** Enough for a kernel's last words. */
const KEPT = 16 * 1024

/**
 * @param {import('node:stream').Readable} console
 * @param {boolean} show
 */
export function watchConsole(console, show) {
  let kept = ''
  console.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const clean = text.replaceAll('\r', '')
    if (show) process.stderr.write(clean)
    kept = (kept + clean).slice(-KEPT)
  })
  return {
    /** What was not shown yet. */
    tail: () => (show ? '' : kept.trimEnd()),
  }
}
