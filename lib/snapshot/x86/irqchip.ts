import { kvm_ioapic_state, kvm_pic_state, kvm_pit_channel_state } from '../../kvm/generated/x86.js'
import type { IoapicState, PicState } from '../../kvm/irqchip.js'
import type { PitChannelState, PitState } from '../../kvm/pit.js'
import type { Vm } from '../../kvm/vm.js'
import type { StateReader } from '../../state.js'
import { whereThere } from '../on-this-host.js'
import { readStruct, type Saved, saved } from '../saved.js'

/** The interrupt controllers in the kernel, by the names that `vm.getIrqchip()` has for them. */
export interface Irqchips {
  'pic-master': PicState
  'pic-slave': PicState
  ioapic: IoapicState
}

/** Undefined for a VM without them. */
export function saveIrqchips(vm: Vm): Saved<Irqchips> | undefined {
  const master = whereThere(() => vm.getIrqchip('pic-master'))
  if (master === undefined) return undefined
  return saved<Irqchips>({
    'pic-master': master,
    'pic-slave': vm.getIrqchip('pic-slave'),
    ioapic: vm.getIrqchip('ioapic'),
  })
}

export function readIrqchips(reader: StateReader): Irqchips | undefined {
  if (!reader.has('irqchips')) return undefined
  const chips = reader.part('irqchips')
  return {
    'pic-master': readStruct(kvm_pic_state, chips.part('pic-master')),
    'pic-slave': readStruct(kvm_pic_state, chips.part('pic-slave')),
    ioapic: readStruct(kvm_ioapic_state, chips.part('ioapic')),
  }
}

export function restoreIrqchips(vm: Vm, chips: Irqchips | undefined): void {
  if (chips === undefined) return
  vm.setIrqchip('pic-master', chips['pic-master'])
  vm.setIrqchip('pic-slave', chips['pic-slave'])
  vm.setIrqchip('ioapic', chips.ioapic)
}

/** The i8254 in the kernel, without the host's time at which each channel began to count: it begins anew when it is restored. */
export interface Pit extends Omit<PitState, 'channels'> {
  channels: Omit<PitChannelState, 'count_load_time'>[]
}

const CHANNELS = 3

/** Undefined for a VM without one. */
export function savePit(vm: Vm): Saved<Pit> | undefined {
  const pit = whereThere(() => vm.getPit2())
  if (pit === undefined) return undefined
  const channels = pit.channels.map(({ count_load_time: _, ...channel }) => channel)
  return saved<Pit>({ ...pit, channels })
}

export function readPit(reader: StateReader): Pit | undefined {
  if (!reader.has('pit')) return undefined
  const pit = reader.part('pit')
  return {
    channels: pit
      .parts('channels', CHANNELS, CHANNELS)
      .map((channel) => readStruct(kvm_pit_channel_state, channel, ['count_load_time'])),
    flags: pit.integer('flags', 0xffff_ffff),
  }
}

export function restorePit(vm: Vm, pit: Pit | undefined): void {
  if (pit !== undefined) vm.setPit2(pit)
}
