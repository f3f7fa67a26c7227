# Holds two VMs for as long as the machine runs, one with interrupt controllers in the kernel and one without. Linux patches its own
# code, the scheduler's among it, when the first VM or vCPU of a kind comes and when the last one goes. A QEMU whose CPUs are threads
# can execute what was there before for ever: a CPU translates an instruction at the moment at which another one
# replaces it. With these, no VM of a test is the first or the last.
use constant { KVM_CREATE_VM => 0xae01, KVM_CREATE_VCPU => 0xae41, KVM_CREATE_IRQCHIP => 0xae60 };

open my $kvm, '+<', '/dev/kvm' or exit;
my @held;
for my $irqchip (0, 1) {
  my $fd = ioctl $kvm, KVM_CREATE_VM, 0 or exit;
  open my $vm, '+<&=', $fd + 0 or exit;
  ioctl $vm, KVM_CREATE_IRQCHIP, 0 if $irqchip;
  push @held, $vm, ioctl $vm, KVM_CREATE_VCPU, 0;
}
sleep;
