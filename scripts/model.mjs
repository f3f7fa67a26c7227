// @ts-check
// Explores every interleaving of the models in tests/model/ with spin, and prints what each came to.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const models = join(root, 'tests/model')

for (const file of readdirSync(models).filter((name) => name.endsWith('.pml'))) {
  const directory = join(root, 'build/model', basename(file, '.pml'))
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const run = (/** @type {string} */ command, /** @type {string[]} */ args) =>
    execFileSync(command, args, { cwd: directory, encoding: 'utf8', maxBuffer: 1 << 26 })
  run('spin', ['-a', join(models, file)])
  run('gcc', ['-w', '-O2', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'])
  const report = run('./pan', ['-m1000000', '-w26', '-n'])
  const complete = /errors: 0/.test(report) && !/Search not completed|max search depth too small/.test(report)
  const states = /(\d+) states, stored/.exec(report)?.[1] ?? '0'
  console.log(`${file}: ${states} states, ${complete ? 'no errors' : 'FAILED'}`)
  if (!complete) {
    console.log(report)
    console.log(run('spin', ['-t', '-p', join(models, file)]))
    process.exitCode = 1
  }
}
