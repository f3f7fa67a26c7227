import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkout, lab, outputFolder } from './lab.js'

test('plain files in the output folder come back; every other write is forgotten', async () => {
  const folder = outputFolder()
  const readme = readFileSync(join(checkout, 'LICENSE'))
  const program = `
    set -e
    echo changed >>LICENSE; echo new >lab-test-file; rm package.json; mkdir lab-test-folder
    cat LICENSE lab-test-file | tail -n 2
    cd "$NODE_KVM_LAB_OUTPUT"
    mkdir sub; echo result >sub/result; chmod 4755 sub/result
    ln -s /etc/passwd link; mknod null c 1 3 2>/dev/null || true`
  const { status, stdout, stderr } = await lab(['--output', folder, '--', 'sh', '-c', program])
  expect({ status, stdout: stdout.toString(), stderr }).toEqual({ status: 0, stdout: 'changed\nnew\n', stderr: '' })

  expect(readFileSync(join(checkout, 'LICENSE')).equals(readme)).toBe(true)
  expect(['package.json', 'lab-test-file', 'lab-test-folder'].map((name) => existsSync(join(checkout, name)))).toEqual([
    true,
    false,
    false,
  ])

  expect(readdirSync(folder, { recursive: true }).sort()).toEqual(['sub', 'sub/result'])
  expect(readFileSync(join(folder, 'sub/result'), 'utf8')).toBe('result\n')
  expect(statSync(join(folder, 'sub/result')).mode & 0o7777).toBe(0o755)
})

test('what was in the output folder before is there and stays', async () => {
  const folder = outputFolder()
  await lab(['--output', folder, '--', 'sh', '-c', 'echo one >"$NODE_KVM_LAB_OUTPUT/file"'])
  const { stdout } = await lab(['--output', folder, '--', 'cat', join(folder, 'file')])
  expect(stdout.toString()).toBe('one\n')
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('one\n')
})
