// The two ports that every guest here uses to talk to its host. They are a convention between our guests and our
// examples; KVM itself knows no console. Both numbers follow old custom: 0xe9 is Bochs' debug console, 0xf4 QEMU's
// debug exit.
#pragma once

#define PORT_CONSOLE 0xe9  // each byte written here is printed by the host
#define PORT_DONE 0xf4     // a write here says: this guest has finished
