import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../../validate.js'

/** How many characters a console shows. */
export interface ConsoleSize {
  columns: number
  rows: number
}

export interface ConsolePortOptions {
  /** What it is called in the guest, where Linux makes `/dev/virtio-ports/NAME` of it: 1 to 64 characters. Default: it has no name. */
  name?: string
  /** Whether it is a terminal: Linux makes `hvc0`, `hvc1` and so on of these. Default: true for a port without a name. */
  console?: boolean
  /** How large the terminal is. Default: 0 by 0, which says that nobody knows. */
  size?: ConsoleSize
  /**
   * Takes what the guest writes, to keep; at most 32 KiB at a time. While a promise of it is pending it gets no more, and the guest
   * waits: Linux does so for a console with a CPU that does nothing else. Default: what the guest writes is lost.
   */
  output?: (bytes: Uint8Array) => void | Promise<void>
  /** Called when the guest has room for more, after `receive()` has refused some. */
  onDrain?: () => void
  /** Called when the guest opens the port, and closes it. */
  onOpen?: (open: boolean) => void
}

const NAMES: readonly (keyof ConsolePortOptions)[] = ['name', 'console', 'size', 'output', 'onDrain', 'onOpen']
/** What terminals say whose size nobody knows. */
export const UNKNOWN_SIZE: ConsoleSize = Object.freeze({ columns: 0, rows: 0 })
const MAX_NAME = 64
const MAX_SIZE = 0xffff
/** As many as QEMU has. */
const MAX_PORTS = 31

/** What the ports are made of, checked. */
export function checkPorts(ports: readonly ConsolePortOptions[]) {
  if (!Array.isArray(ports) || ports.length < 1 || ports.length > MAX_PORTS) {
    throw invalidArgument('ports', ports, `an array of 1 to ${MAX_PORTS} ports`)
  }
  return ports.map(checkPort)
}

function checkPort(options: ConsolePortOptions) {
  checkOptions('port', options, NAMES)
  const { name, size = UNKNOWN_SIZE } = options
  if (name !== undefined && (typeof name !== 'string' || !/^[\x21-\x7e]+$/.test(name) || name.length > MAX_NAME)) {
    throw invalidArgument('name', name, `1 to ${MAX_NAME} visible ASCII characters`)
  }
  return {
    name,
    console: checkBoolean('console', options.console ?? name === undefined),
    size: checkSize(size),
    output: checkFunction('output', options.output),
    onDrain: checkFunction('onDrain', options.onDrain) ?? (() => undefined),
    onOpen: checkFunction('onOpen', options.onOpen) ?? (() => undefined),
  }
}

export type CheckedPortOptions = ReturnType<typeof checkPort>

export function checkSize(size: ConsoleSize): ConsoleSize {
  checkOptions('size', size, ['columns', 'rows'])
  const { columns, rows } = size
  return {
    columns: checkInteger('columns', columns, 0, MAX_SIZE),
    rows: checkInteger('rows', rows, 0, MAX_SIZE),
  }
}

function checkFunction<T>(name: string, value: T): T {
  if (value !== undefined && typeof value !== 'function') throw invalidArgument(name, value, 'a function')
  return value
}
