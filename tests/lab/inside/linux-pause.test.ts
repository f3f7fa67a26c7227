// A Linux guest that was paused for a minute knows nothing of it: docs/run-model.md says what pause() does to a guest's time.
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { PATIENCE, startLinux } from './linux.js'
import { AT_WORK, shellOf } from './shell.js'

/** Longer than any watchdog of a kernel waits. */
const PAUSE = 60_000

test(
  'paused for a minute while it works: its clock stood still, and no watchdog reports anything',
  async () => {
    const guest = await startLinux({ kernel: 'standard', then: 'shell', memory: '256M' })
    await guest.expect('# ')
    const ask = shellOf(guest.console, (text) => {
      guest.console.send(text)
    })
    const uptime = async () => Number((await ask('cut -d" " -f1 /proc/uptime')).trim())
    // A readout that takes long is a timer that comes late: a busy host, and both clocks agree.
    const complaints = () =>
      ask("dmesg | grep -v 'Long readout' | grep -iE 'stall|lockup|unstable|watchdog|hung' || true")
    await ask(AT_WORK)
    const known = await complaints()
    const [before, began] = [await uptime(), performance.now()]
    await guest.machine.pause()
    await setTimeout(PAUSE)
    guest.machine.resume()
    // Watchdogs look every few seconds.
    await ask('sleep 10')
    const ran = (performance.now() - began - PAUSE) / 1000
    expect((await uptime()) - before).toBeLessThan(1.02 * ran + 1)
    expect(await complaints()).toBe(known)
    expect(guest.console.text).not.toMatch(/lost/)
    await guest.machine.stop()
  },
  2 * PATIENCE,
)
