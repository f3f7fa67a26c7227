/**
 * Virtio 1.2: devices, the queues through which they work, and the transports that bring them to a guest.
 *
 * @packageDocumentation
 */
export type { Disk } from '../disk/disk.js'
export { Block, type BlockState } from './block/block.js'
export type { BlockFailure, BlockOptions } from './block/options.js'
export type { BlockCount, BlockOperation, BlockStatistics } from './block/statistics.js'
export { Buffers } from './buffers.js'
export type { Chain } from './chain.js'
export type { ChainHandler } from './chain-worker.js'
export * from './console/index.js'
export { driverFault } from './driver-fault.js'
export * as features from './features.js'
export { VirtioMmio, type VirtioMmioContext, type VirtioMmioState } from './mmio.js'
export { MMIO_LENGTH } from './mmio-registers.js'
export * from './net/index.js'
export { VirtioPci, type VirtioPciState } from './pci.js'
export type { QueueEvents, QueueServer, QueueService, ServedHome, ServedQueue } from './queue-server.js'
export type { QueueState } from './queue-registers.js'
export type { QueueAddresses, RingState } from './ring.js'
export { type Rate, RateLimiter, type RateLimits } from './rate-limiter.js'
export { Rng, type RngOptions } from './rng.js'
export type { TransportContext } from './transport.js'
export type { TransportState } from './transport-state.js'
export type { VirtioDevice, VirtioHost } from './virtio-device.js'
export { Virtqueue } from './virtqueue.js'
