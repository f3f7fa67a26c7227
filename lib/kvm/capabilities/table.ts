import type { CapabilityName } from '../capabilities.js'
import { arm64 } from './arm64.js'
import { common } from './common.js'
import { elsewhere } from './elsewhere.js'
import type { CapabilityInfo } from './info.js'
import { x86 } from './x86.js'

/** What each capability is (KVM API, KVM_CHECK_EXTENSION and chapters 6 to 8). One that is missing here does not compile. */
export const CAPABILITY_INFO: Readonly<Record<CapabilityName, CapabilityInfo>> = {
  ...common,
  ...x86,
  ...arm64,
  ...elsewhere,
}
