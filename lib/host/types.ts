/** Which hardware virtualization stands behind KVM on this host. */
export type KvmKind = 'intel' | 'amd' | 'pvm' | 'arm64' | 'unknown'

/** One thing that a host needs, or had better have. */
export interface HostCheck {
  name: string
  ok: boolean
  /** Without a required one no guest runs. */
  required: boolean
  /** What was found. */
  detail: string
  /** What to do, where it is not ok. */
  fix?: string
}

/** What can be said of a host without the addon. */
export interface HostFacts {
  /** `linux 6.1.0`, as uname has it. */
  kernel: string
  architecture: string
  node: string
  kind: KvmKind
  checks: HostCheck[]
  /** What guests cannot do on this host's KVM, a sentence each. */
  cannot: string[]
}
