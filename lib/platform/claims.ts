import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import type { AddressRange } from '../arch/x86/memory-layout.js'
import type { HardwareNode } from './node.js'

/** Which kind of place: I/O ports or guest physical addresses. */
export interface Space {
  /** `port` or `memory`, as resources have it. */
  name: 'port' | 'memory'
  /** Where `any` may be. */
  window: AddressRange
  /** What `any` is aligned to at least. */
  alignment: number
}

interface Claim extends AddressRange {
  node: HardwareNode
}

/** Who has which addresses of a space. */
export class Claims {
  readonly #space: Space
  readonly #claims: Claim[]

  constructor(space: Space, claims: readonly Claim[] = []) {
    this.#space = space
    this.#claims = [...claims]
  }

  copy(): Claims {
    return new Claims(this.#space, this.#claims)
  }

  /** Returns the nodes that give way. */
  claim(node: HardwareNode, start: number, length: number): HardwareNode[] {
    const end = start + length
    const others = this.#claims.filter((other) => start < other.end && other.start < end)
    const firm = others.find((other) => other.node.yields !== true)
    if (firm !== undefined && node.yields !== true) throw this.#conflict({ node, start, end }, firm)
    this.#claims.push({ node, start, end })
    return node.yields === true ? (firm === undefined ? [] : [node]) : others.map((other) => other.node)
  }

  /** Finds and claims a free place; one where only something that yields is, is not free. */
  choose(node: HardwareNode, length: number): number {
    const { name, window, alignment } = this.#space
    const step = Math.max(alignment, 2 ** Math.ceil(Math.log2(length)))
    const up = (address: number) => Math.ceil(address / step) * step
    let start = up(window.start)
    for (const claim of this.#claims.toSorted((a, b) => a.start - b.start)) {
      if (start + length <= claim.start) break
      if (claim.end > start) start = up(claim.end)
    }
    if (start + length > window.end) {
      const where = `between ${hex(window.start)} and ${hex(window.end)}`
      throw new KvmError(
        'ERR_KVM_NO_RESOURCE',
        `${node.name} needs ${length} ${name === 'port' ? 'ports' : 'bytes of memory'} in a row, and there are no more ${where}`,
        { operands: { node: node.name, resource: name, length } },
      )
    }
    this.#claims.push({ node, start, end: start + length })
    return start
  }

  drop(nodes: readonly HardwareNode[]): void {
    for (let index = this.#claims.length - 1; index >= 0; index--) {
      const claim = this.#claims[index]
      if (claim !== undefined && nodes.includes(claim.node)) this.#claims.splice(index, 1)
    }
  }

  #conflict(wanted: Claim, taken: Claim): KvmError {
    const { name } = this.#space
    const range = ({ start, end }: AddressRange) => `${name} ${hex(start)} to ${hex(end - 1)}`
    return new KvmError(
      'ERR_KVM_BUS_OVERLAP',
      `${wanted.node.name} cannot have ${range(wanted)}: ${taken.node.name} has ${range(taken)}; give one of them another place`,
      {
        operands: {
          ...{ node: wanted.node.name, other: taken.node.name, resource: name },
          ...{ start: wanted.start, length: wanted.end - wanted.start },
        },
      },
    )
  }
}
