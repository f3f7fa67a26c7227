// The shell of a Linux guest, which a test asks.
import type { GuestConsole } from 'node-kvm/machine'
import { PATIENCE } from './linux.js'

/** It writes numbers, and says so when one is missing. */
export const AT_WORK = `(i=0; while :; do i=$((i+1)); echo $i >/count; [ $(cat /count) = $i ] || echo lo''st; done) & true`

/** The shell of a guest on a console, whose prompt has been seen. */
export function shellOf(console: GuestConsole, type: (text: string) => void) {
  return async (command: string): Promise<string> => {
    type(`echo begin; ${command}; echo "status $?"\n`)
    const { before, groups } = await console.expect(/^status (\d+)\r?\n/m, { timeout: PATIENCE })
    const text = before.replace(/^[^]*^begin\r?\n/m, '').trim()
    if (groups[0] !== '0') throw new Error(`status ${groups[0]}\n${text}`)
    return text
  }
}

export type Ask = ReturnType<typeof shellOf>
