// Migrations that come to nothing: the machine goes on where it was.
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import { Machine } from 'node-kvm/machine'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { flat } from 'node-kvm/machine'
import { assemble } from './guests.js'
import { receive, start, streams } from './migrating.js'

const descriptors = () => readdirSync('/proc/self/fd').length

/** A message: how long it is, what, and its body. */
function message(type: number, body: Uint8Array = new Uint8Array(), length = body.length): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(length, 0)
  head.writeUInt32LE(type, 4)
  return Buffer.concat([head, body])
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const GREETING = Buffer.concat([Buffer.from('node-kvm migrate'), Buffer.from([1, 0, 0, 0])])
const ID = '00000000-0000-4000-8000-00000000000'
let ids = 0
const announce = (memory: object[], more: object = {}) => {
  const id = `${ID}${ids++ % 10}`
  return message(1, json({ id, architecture: process.arch, memory, ...more }))
}
const RAM = { kind: 'ram', at: 0, size: 2 ** 20 }
const address = (at: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(at))
  return bytes
}

/** What a target says that is sent these bytes, and nothing more. */
async function send(...bytes: Uint8Array[]) {
  const [source, target] = streams()
  source.resume()
  const received = Machine.receive(target, { maxMemory: '64M', timeout: 2000 })
  source.write(Buffer.concat([...bytes]))
  source.end()
  return received
}

describe('a target takes nothing from whoever sends', () => {
  const cases: [string, Uint8Array[], RegExp][] = [
    ['nothing', [], /has ended/],
    ['something else', [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')], /no node-kvm/],
    ['another version', [Buffer.concat([GREETING.subarray(0, 16), Buffer.from([2, 0, 0, 0])]), message(1)], /version 2/],
    ['a half of a greeting', [GREETING.subarray(0, 10)], /has ended/],
    ['an unknown message', [GREETING, message(99)], /number 99/],
    ['a message of 4 GiB', [GREETING, message(1, undefined, 0xffff_ffff)], /4294967295 bytes, more/],
    ['the target\'s messages', [GREETING, message(18)], /'restored' where 'announce'/],
    ['pages first', [GREETING, message(2, address(0))], /'pages' where 'announce'/],
    ['no JSON', [GREETING, message(1, Buffer.from('{'))], /not JSON/],
  ]
  test.each(cases)('%s', async (_, bytes, problem) => {
    // The version is that of the case alone.
    const sent = bytes.map((each) => Buffer.from(each))
    await expectRejection(send(...sent), 'ERR_KVM_MIGRATION', problem)
  })
})
