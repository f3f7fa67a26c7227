import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { lab, outputFolder, processesOf, start } from './lab.js'

async function started(folder: string) {
  const running = start(['--output', folder, '--', 'sh', '-c', 'echo started; exec sleep 1000'])
  await new Promise((resolve) => running.child.stdout.once('data', resolve))
  expect(processesOf(folder)).toHaveLength(2)
  return running
}

test('a command that reaches its time limit gives 124, and nothing is left running', async () => {
  const folder = outputFolder()
  const { status, stderr } = await lab(['--timeout', '2', '--output', folder, '--', 'sleep', '1000'])
  expect(status).toBe(124)
  expect(stderr).toBe('lab: the time limit of 2 s is reached\n')
  expect(processesOf(folder)).toEqual([])
})

test('a command that falls silent is a failure of the lab, which shows what ran', async () => {
  const folder = outputFolder()
  const command = ['sh', '-c', 'for i in 1 2 3 4 5; do echo $i; sleep 1; done; exec sleep 1000']
  const { status, stdout, stderr } = await lab(['--silence', '4', '--output', folder, '--', ...command])
  expect(status).toBe(125)
  expect(stdout.toString()).toBe('1\n2\n3\n4\n5\n')
  expect(stderr).toContain('lab: The command has printed nothing for 4 s.\n')
  expect(stderr).toContain('sleep 1000')
  expect(stderr).toContain('Show backtrace of all active CPUs')
  expect(processesOf(folder)).toEqual([])
})

test('SIGTERM ends the command and the machine', async () => {
  const folder = outputFolder()
  const { child, finished } = await started(folder)
  child.kill('SIGTERM')
  expect((await finished).status).toBe(143)
  expect(processesOf(folder)).toEqual([])
})

test.each([
  ['SIGINT', 130],
  ['SIGHUP', 129],
] as const)('%s ends a machine that is still starting', async (signal, expected) => {
  const folder = outputFolder()
  const { child, finished } = start(['--output', folder, 'true'])
  while (processesOf(folder).length < 2) await delay(50)
  child.kill(signal)
  expect((await finished).status).toBe(expected)
  expect(processesOf(folder)).toEqual([])
})

test('no machine outlives a lab that is killed', async () => {
  const folder = outputFolder()
  const { child, finished } = await started(folder)
  child.kill('SIGKILL')
  await finished
  for (let tries = 0; tries < 50 && processesOf(folder).length > 0; tries++) await delay(100)
  expect(processesOf(folder)).toEqual([])
})

test('the lab ends when nobody reads its output any more', async () => {
  const folder = outputFolder()
  const { child, finished } = start(['--output', folder, 'yes'])
  child.stdout.once('data', () => child.stdout.destroy())
  expect((await finished).status).toBe(141)
  expect(processesOf(folder)).toEqual([])
})
