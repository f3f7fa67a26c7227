import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const checkout = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** A folder of its own for what comes back, which also tells this lab's emulator from any other. */
export function outputFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'lab-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The processes whose command line names this folder: the lab and its emulator. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      } catch {
        return false // it ended meanwhile
      }
    })
    .map(Number)
}

export interface Outcome {
  status: number | null
  stdout: Buffer
  stderr: string
}

/** Starts the lab; `finished` when it has ended. */
export function start(args: string[], input = '') {
  const child = spawn(process.execPath, ['scripts/lab/main.mjs', ...args], { cwd: checkout })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(input)
  const finished = new Promise<Outcome>((resolve) =>
    child.on('close', (status) => resolve({ status, stdout: Buffer.concat(stdout), stderr })),
  )
  return { child, finished }
}

export const lab = (args: string[], input?: string) => start(args, input).finished
