// Every program in README.md and docs/ is type-checked as a user's would be, runs, and prints what the page says.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { beforeAll, expect, test } from 'vitest'
import { noUserfault } from '../kvm/userfault-rights.js'
import { pages, programsOf, root } from './pages.js'

// Inside the package, so that 'node-kvm' is this checkout.
const folder = join(root, 'build', 'docs')
const programs = pages.flatMap(programsOf).map((program) => {
  const name = program.where.replace(/\W+/g, '-')
  return { ...program, source: join(folder, `${name}.${program.language}`), built: join(folder, `${name}.js`) }
})

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { source, code } of programs) writeFileSync(source, code)
  compile(programs.filter(({ language }) => language === 'ts').map(({ source }) => source))
}, 60_000)

function compile(files: string[]): void {
  const program = ts.createProgram(files, {
    strict: true,
    target: ts.ScriptTarget.ES2022, // Node 20 has no `using` of its own
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    skipLibCheck: true,
    noEmitOnError: true,
  })
  const { diagnostics } = program.emit()
  const found = [...ts.getPreEmitDiagnostics(program), ...diagnostics]
  const host = { getCanonicalFileName: (name: string) => name, getCurrentDirectory: () => root, getNewLine: () => '\n' }
  expect(ts.formatDiagnostics(found, host)).toBe('')
}

test.for(programs)('$where', ({ built, code, output }, { skip }) => {
  if (noUserfault !== undefined && code.includes('.userfault(')) skip(noUserfault)
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [built], { encoding: 'utf8', timeout: 30_000 })
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  if (output !== undefined) expect(stdout.trimEnd()).toBe(output.trimEnd())
})
