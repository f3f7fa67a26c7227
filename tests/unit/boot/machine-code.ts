/** What the packed fixtures unpack to: something like machine code, with calls that xz's x86 filter converts. */
export function machineCode(size = 8192): Uint8Array {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let seed = 1
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 16) % below
  }
  for (let at = 0; at < size - 16;) {
    const kind = random(8)
    if (kind < 4) {
      bytes[at] = kind < 3 ? 0xe8 : 0xe9
      view.setInt32(at + 1, random(4) * 0x400 - (at + 5), true)
      at += 5
    } else if (kind === 4) {
      // Opcodes close to each other, where the filter has to keep count.
      bytes.set([0xe8, 0xe9, 0xe8, 0x00, 0xff, 0xe8, 0x00, 0x00], at)
      at += 3 + random(6)
    } else {
      bytes.set([0x48, 0x89, 0xc7 + random(4)], at)
      at += 3
    }
  }
  return bytes
}
