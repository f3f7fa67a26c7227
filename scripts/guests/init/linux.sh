#!/bin/busybox sh
# Process 1 of the Linux guests. It says that user space is there, and does what then= on the kernel's command line
# says; the kernel puts what it does not know itself into this script's environment.
#   power-off, reboot, panic, report (then power off), button (wait for it, then power off), drivers (load all that are here, then a
#   shell), shell
# Without then=, it goes on with the init of the disk that root= names; or, if nothing is named, gives a shell.

export PATH=/bin
cat /ready

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

load_modules() {
  for module in $(cat /modules/order); do insmod "/modules/$module.ko" || echo "guest: no $module"; done
  # A virtio console was not there yet when this script was started.
  [ -t 0 ] || exec <>/dev/console >&0 2>&0
}

# Each part between a line with its name and a line with "end".
part() {
  echo "guest: begin $1"
  shift
  "$@"
  echo 'guest: end'
}

report() {
  part nproc nproc
  part meminfo cat /proc/meminfo
  part iomem cat /proc/iomem
  part acpidump /bin/acpidump
}

# The first event of any input device that the kernel calls a power button.
wait_for_button() {
  load_modules
  name=$(grep -l 'Power Button' /sys/class/input/event*/device/name)
  device=${name#/sys/class/input/}
  exec 3<"/dev/input/${device%%/*}"
  echo 'guest: waiting for the button'
  dd bs=24 count=1 <&3 >/dev/null 2>&1
  echo 'guest: button'
}

# With the kernel's own words root=, ro and rw, which it keeps to itself.
enter_root() {
  load_modules
  mkdir -p /root
  for try in $(seq 100); do [ -b "$root" ] && break || sleep 0.1; done
  mount -t ext4 -o "$mode" "$root" /root || exec setsid cttyhack sh
  umount /sys /proc /dev
  exec switch_root /root /sbin/init
}
mode=ro
for word in $(cat /proc/cmdline); do
  case $word in
  root=*) root=${word#root=} ;;
  ro | rw) mode=$word ;;
  esac
done

case ${then:-${root:+root}} in
  power-off) ;;
  reboot) reboot -f ;;
  panic)
    load_modules
    echo c >/proc/sysrq-trigger
    ;;
  # Where no message of the kernel gets among the lines. Closing it waits until all has gone out.
  report) report >/dev/ttyS1 ;;
  button) wait_for_button ;;
  drivers)
    load_modules
    setsid cttyhack sh
    ;;
  root) enter_root ;;
  *) setsid cttyhack sh ;;
esac
poweroff -f
