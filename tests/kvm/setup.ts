import { Kvm } from 'node-kvm'

// Without a usable /dev/kvm every test file fails here, with the message that says what to do; none is skipped.
Kvm.open().close()
