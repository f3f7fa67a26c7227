// What a network driver does, with the driver of mmio-driver.ts: frames, their headers, commands.
import {
  type NetBackend,
  type NetHeader,
  netFeatures as F,
  Net,
  type NetOptions,
} from '../../../../lib/virtio/index.js'
import { type Done, MmioDriver, type MmioDriverOptions, VERSION_1 } from '../mmio-driver.js'

export const HEADER = 12
export const OWN = '52:54:00:00:00:01'
export const OTHER = '52:54:00:00:00:02'
export const BROADCAST = 'ff:ff:ff:ff:ff:ff'
export const BASIC = VERSION_1 | F.VIRTIO_NET_F_MAC | F.VIRTIO_NET_F_STATUS
export const CONTROL =
  BASIC | F.VIRTIO_NET_F_CTRL_VQ | F.VIRTIO_NET_F_CTRL_RX | F.VIRTIO_NET_F_CTRL_RX_EXTRA | F.VIRTIO_NET_F_CTRL_MAC_ADDR
export const MERGEABLE = BASIC | F.VIRTIO_NET_F_MRG_RXBUF
export const RX = 0
export const TX = 1

const macBytes = (mac: string) => mac.split(':').map((byte) => Number.parseInt(byte, 16))

/** A frame of that many bytes, its payload counting up from `first`. */
export function frame({ to = OWN, from = OTHER, length = 60, first = 0 } = {}): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) => index + first)
  bytes.set([...macBytes(to), ...macBytes(from), 0x88, 0xb5].slice(0, length))
  return bytes
}

export function header(fields: Partial<NetHeader> & { num_buffers?: number } = {}): Uint8Array {
  const bytes = new Uint8Array(HEADER)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, fields.flags ?? 0)
  view.setUint8(1, fields.gso_type ?? 0)
  const words = ['hdr_len', 'gso_size', 'csum_start', 'csum_offset', 'num_buffers'] as const
  for (const [index, word] of words.entries()) view.setUint16(2 + 2 * index, fields[word] ?? 0, true)
  return bytes
}

export const concat = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]))

/** A card with its driver at work. */
export async function networkCard(
  backend: NetBackend,
  options: Partial<NetOptions> = {},
  driverOptions: MmioDriverOptions = {},
): Promise<{ net: Net; driver: MmioDriver }> {
  const net = new Net(backend, { mac: OWN, ...options })
  const driver = await new MmioDriver(net, { features: BASIC, queueSize: 64, ...driverOptions }).start()
  return { net, driver }
}

/** Sends a frame, as one buffer with its header. */
export function send(
  driver: MmioDriver,
  bytes: Uint8Array,
  fields: Partial<NetHeader> = {},
  queue = TX,
): Promise<Done> {
  return driver.send(queue, [{ data: concat(header(fields), bytes) }])
}

/** The frame in a buffer that came back, and its header. */
export function received({ written, data }: Done): { header: Uint8Array; frame: Uint8Array } {
  return { header: data.subarray(0, HEADER), frame: data.subarray(HEADER, written) }
}

/** Sends a command; returns whether it worked. */
export async function command(driver: MmioDriver, bytes: readonly number[], queue = 2): Promise<boolean> {
  const { data } = await driver.send(queue, [{ data: Uint8Array.from(bytes) }, { room: 1 }])
  return data[0] === 0
}

export const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A back end that keeps what it is given. */
export class Recorder implements NetBackend {
  readonly sent: Uint8Array[] = []
  readonly headers: NetHeader[] = []
  readonly queues: number[] = []
  readonly features: bigint
  port!: Parameters<NetBackend['attach']>[0]
  resumed = 0

  constructor(features = 0n) {
    this.features = features
  }
  attach(port: Recorder['port']) {
    this.port = port
  }
  send({ data, header: sentHeader, queue }: Parameters<NetBackend['send']>[0]) {
    this.sent.push(data.copy())
    this.headers.push(sentHeader)
    this.queues.push(queue)
  }
  resume() {
    this.resumed++
  }
}
