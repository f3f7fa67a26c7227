import type { InterruptControllersReport, InterruptReport, LocalApicReport, PicReport } from './report.js'

const list = (words: readonly string[]) => (words.length === 0 ? 'nothing' : words.join(' '))

/** A line about what the vCPU itself would take, and one about its local APIC unless that is off. */
export function formatInterrupts(report: InterruptReport): string[] {
  const { enabled, shadow, nmiMasked, systemManagement, pending, localApic } = report
  const words = [
    `interrupts ${enabled ? 'on' : 'off'}${shadow ? ' from the next instruction on' : ''}`,
    ...(nmiMasked ? ['NMIs masked'] : []),
    ...(systemManagement ? ['in system management mode'] : []),
    ...(pending.length === 0 ? [] : [`pending: ${pending.join(', ')}`]),
    ...(localApic.enabled ? [] : ['local APIC off']),
  ]
  return [words.join(', '), ...(localApic.enabled ? [formatLocalApic(localApic)] : [])]
}

function formatLocalApic({ taskPriority, requested, inService, timer }: LocalApicReport): string {
  const count = timer.initialCount === 0 ? '' : `, ${timer.currentCount} of ${timer.initialCount} left`
  const clock = timer.masked ? 'timer masked' : `timer ${timer.mode}, vector ${timer.vector}${count}`
  return `local APIC: TPR ${taskPriority}, requested ${list(requested)}, in service ${list(inService)}; ${clock}`
}

/** A line for each controller or pin that can interrupt, or is about to. */
export function formatControllers({ master, slave, pins }: InterruptControllersReport): string[] {
  return [
    ...formatPic('8259 master', master),
    ...formatPic('8259 slave', slave),
    ...pins
      .filter(({ masked }) => !masked)
      .map(({ pin, vector, delivery, trigger, requested }) => {
        const how = delivery === 'fixed' || delivery === 'lowest priority' ? `vector ${vector}` : delivery
        return `I/O APIC pin ${pin}: ${how}, ${trigger}${requested ? ', requested' : ''}`
      }),
  ]
}

function formatPic(name: string, { vectors, masked, requested, inService }: PicReport): string[] {
  if (masked === '0xff' && inService === '0x0') return []
  return [`${name}: vectors from ${vectors}, masked ${masked}, requested ${requested}, in service ${inService}`]
}
