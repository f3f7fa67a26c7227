import { KvmError } from '../errors.js'
import { StateReader, type Versioned } from '../state.js'
import { withHalf } from './negotiation.js'
import { VIRTIO_F_RING_PACKED } from './features.js'
import type { QueueRegisters, QueueState } from './queue-registers.js'
import type { RingState } from './ring.js'
import * as STATUS from './status.js'

/** What a transport and its device know, as plain data. */
export interface TransportState extends Versioned {
  status: number
  /** What the driver has accepted: 64 bits, low half first. */
  features: [low: number, high: number]
  featureSelect: number
  driverFeatureSelect: number
  queueSelect: number
  generation: number
  queues: QueueState[]
  /** The device's own state, if it has any. */
  device?: object
}

/** The same, read: all of it but the device's own. */
export interface CheckedState extends Pick<
  TransportState,
  'status' | 'featureSelect' | 'driverFeatureSelect' | 'queueSelect' | 'generation'
> {
  accepted: bigint
  /** Of each queue: what takes its registers over, and where it stands. */
  queues: { ring: RingState | undefined; apply: () => void }[]
}

export const STATE_VERSION = 1
const MAX_UINT32 = 0xffff_ffff

/** Reads a state of the device of that name, which has these queues and offers these features. */
export function readTransportState(
  name: string,
  state: TransportState,
  registers: readonly QueueRegisters[],
  offered: bigint,
): CheckedState {
  const reader = new StateReader(name, state, STATE_VERSION)
  const status = reader.bits('status', 0xff)
  const [low = 0, high = 0] = reader.integers('features', 2, MAX_UINT32, true)
  const accepted = withHalf(BigInt(low), 1, high)
  if ((status & STATUS.FEATURES_OK) !== 0 && (accepted & ~offered) !== 0n) {
    const problem = `the saved state of ${name} is wrong: its driver has accepted features that this device does not offer`
    throw new KvmError('ERR_KVM_INVALID_STATE', problem, { operands: { device: name, member: 'features' } })
  }
  const packed = (accepted & VIRTIO_F_RING_PACKED) !== 0n
  const queues = reader.array('queues', registers.length)
  return {
    status,
    accepted,
    featureSelect: reader.integer('featureSelect', MAX_UINT32),
    driverFeatureSelect: reader.integer('driverFeatureSelect', MAX_UINT32),
    queueSelect: reader.integer('queueSelect', MAX_UINT32),
    generation: reader.integer('generation', MAX_UINT32),
    queues: registers.map((each, index) => each.read(name, queues[index], packed)),
  }
}
