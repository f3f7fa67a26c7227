// How often the tests repeat things. Where the processor itself is emulated (NODE_KVM_LAB), everything takes up to a
// hundred times longer.
const lab = process.env['NODE_KVM_LAB'] !== undefined

export const AMOUNTS = {
  /** VMs created and closed, or dropped, one after the other. */
  vms: lab ? 100 : 2000,
  /** Of those, how many live at the same time. */
  batch: lab ? 20 : 100,
  /** Worker threads that load the addon at once. */
  workers: lab ? 3 : 8,
  /** Kicks, deadlines and the like in a row. */
  repeats: lab ? 20 : 200,
  /** Machines with a hostile guest, as a share of what other fuzz tests try. */
  fuzzed: lab ? 0.05 : 0.25,
}

/** Milliseconds after which a test that hangs is given up. Nothing is measured with it. */
export const PATIENCE = lab ? 600_000 : 120_000
