// `node-kvm run` on a terminal: script(1), which every Debian has, makes one around a shell.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** A shell's commands around "$@", the program: they leave its status, and the terminal's mode before and after. */
const shell = (run: string) => `
  stty rows 33 cols 101
  stty -g >before
  ${run}
  stty -g >after
`
/** How the program is started, whose process a test may want to signal. */
const RUN = `sh -c 'echo $$ >pid; exec "$@"' sh "$@"; echo $? >status`

export interface TerminalSession {
  /** Waits until that has come, after what was waited for before. */
  expect(text: string): Promise<void>
  type(keys: string): void
  kill(signal: NodeJS.Signals): void
  /** From now on the terminal shows nothing, and takes nothing when what is on the way is full. */
  stall(): void
  /** Closes the window. */
  hangUp(): void
  /** Waits for the program's end, on a terminal that has stalled or gone, and returns its status. */
  status(): Promise<number>
  /** Waits for the end. */
  end(): Promise<{ status: number; before: string; after: string; shown: string }>
}

/** Starts `node-kvm run ARGS` on a terminal with 33 rows and 101 columns. `folder` gets what the session leaves. */
export function runOnTerminal(folder: string, args: string[], { run = RUN } = {}): TerminalSession {
  const words = [process.execPath, program, 'run', ...args].map(quote).join(' ')
  const command = `set -- ${words}\n${shell(run)}`
  const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
    cwd: folder,
    env: { ...process.env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [shown, seen, wake] = ['', 0, () => {}]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    wake()
  })
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
  let isOpen = true
  void closed.then(() => {
    isOpen = false
    wake()
  })
  const file = (name: string) => readFileSync(join(folder, name), 'utf8').trim()

  return {
    async expect(text) {
      for (;;) {
        const at = shown.indexOf(text, seen)
        if (at >= 0) return void (seen = at + text.length)
        if (!isOpen) throw new Error(`${JSON.stringify(text)} has not come, but ${JSON.stringify(shown.slice(seen))}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    type: (keys) => void child.stdin.write(keys),
    kill: (signal) => void process.kill(Number(file('pid')), signal),
    stall: () => void child.stdout.pause(),
    hangUp: () => void child.kill('SIGKILL'),
    async status() {
      while (!existsSync(join(folder, 'status')) || file('status') === '') {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      child.stdout.resume()
      return Number(file('status'))
    },
    async end() {
      await closed
      return { status: Number(file('status')), before: file('before'), after: file('after'), shown }
    },
  }
}

const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`
