/** A stretch of guest memory that somebody has filled before the guest starts: a loader, or a writer of tables. */
export interface Placed {
  name: string
  start: number
  size: number
}
