// Lesson 25, kernel-tests: twenty tests of a small kernel, each with a machine of its own, in the time of one boot
import { strict as assert } from 'node:assert'
import { fileURLToPath } from 'node:url'
import { readSymbols } from 'node-kvm/inspect'
import { kernel, serial } from 'node-kvm/machine'
import { bootOnce, remainsOf } from 'node-kvm/testing'

const file = fileURLToPath(new URL('guests/kernel-tests.bin', import.meta.url))
const symbols = await readSymbols(file)

// The kernel boots here, once, and is frozen when it says that it is ready. In a test file this stands before the tests.
await using warm = await bootOnce({
  machine: (console) => ({ memory: '16M', boot: kernel({ kernel: file }), devices: [serial({ console })] }),
  ready: 'ready\n',
  symbols,
  timeout: 60_000,
})

// With a test runner each of these is a test: test(sum, () => warm.fork(async (guest) => …)).
const sums = [
  ...['0 + 0', '1 + 2', '40 + 2', '4294967295 + 1', '123456789 + 987654321'],
  ...['2 - 1', '42 - 42', '0 - 1', '1000000 - 1'],
  ...['6 * 7', '65536 * 65536', '99999 * 10000', '0 * 5'],
  ...['42 / 6', '7 / 2', '1 / 2', '4294967295 / 65535', '7 % 4', '100 % 10', '5 % 7'],
]
const expected = (sum: string): string => {
  const [left = 0, right = 0] = sum.split(/ . /).map(Number)
  const results = { '+': left + right, '-': left - right, '*': left * right, '/': left / right, '%': left % right }
  const operator = /[^\d ]/.exec(sum)?.[0] as keyof typeof results
  return String(BigInt.asUintN(32, BigInt(Math.trunc(results[operator]))))
}
const answers = await Promise.all(
  sums.map((sum) =>
    warm.fork(async (guest) => {
      guest.console.send(`${sum}\n`)
      const { before: answer } = await guest.console.expect('\n')
      assert.equal(answer, expected(sum))
      // This guest has answered nobody else.
      assert.equal(guest.memory.readUint32(Number(symbols.addressOf('answered'))), 1)
      return `${sum} = ${answer}`
    }),
  ),
)
console.log(answers.join('\n'))
console.log(`host: ${answers.length} tests have passed, and the kernel has booted once`)

// A kernel that panics fails its test, whatever that waits for; the error has the stack, with names.
const error: unknown = await warm
  .fork(async (guest) => {
    guest.console.send('1 / 0\n')
    await guest.console.expect('infinity')
  })
  .catch((thrown: unknown) => thrown)
const stack = remainsOf(error)?.postMortem?.vcpus[0]?.cpu?.stack ?? []
const functions = stack.map(({ symbol = '?' }) => symbol.replace(/[+.].*/, ''))
console.log(error instanceof Error ? error.message.split('\n', 1)[0] : 'this test should have failed')
console.log(`in ${functions.filter((name) => ['panic', 'divide', 'calculate', 'kernel'].includes(name)).join(' < ')}`)
