#!/bin/busybox sh
# Process 1 of a QEMU lab host. The host's file system arrives over 9p, read-only; a tmpfs laid over it takes the
# writes. The command's input, output and exit status travel over virtio ports, so that the kernel's own
# messages on the serial console never mix with them.

. /lab/common.sh
start_kernel

# The names are in sysfs, and turn up a moment after the driver, control's last.
mkdir /run/port
find_ports() {
  for port in /sys/class/virtio-ports/*; do
    name=$(cat "$port/name" 2>/dev/null) && [ -n "$name" ] && ln -sf "/dev/${port##*/}" "/run/port/$name"
  done
}
until find_ports; [ -e /run/port/control ]; do usleep 20000; done

options=trans=virtio,version=9p2000.L,msize=500000
mkdir /run/lower
mount -t 9p -o "$options,cache=loose,ro" host /run/lower || die 'cannot mount the host file system'
if [ "$LAB_LAYER" = 1 ]; then
  mkdir /run/layer
  mount -t 9p -o "$options,cache=loose,ro" layer /run/layer || die 'cannot mount what is laid over the host file system'
  lay_root /run/layer:/run/lower
else
  lay_root /run/lower
fi
mount -t 9p -o "$options,cache=none" output "$root$LAB_OUTPUT" || die 'cannot mount the output folder'
share() {
  mkdir -p "$root$2" && mount --bind "$root$1" "$root$2" || die "cannot share $1"
}
. /lab/shares

[ ! -x "$root/usr/bin/perl" ] || chroot "$root" /usr/bin/perl - </lab/hold-vms.pl &

exec 9<>/run/port/control # a port can be open once
still_alive() {
  while :; do
    sleep 5
    echo alive
  done
}
still_alive >&9 &
# Asked for a look, shows on the console what runs: the processes, the processors' and the waiting tasks' stacks. Any
# other line only wakes the machine.
look() {
  while read -r line; do
    [ "$line" = look ] || continue
    ps -o pid,stat,args
    echo 7 >/proc/sys/kernel/printk
    echo l >/proc/sysrq-trigger
    echo w >/proc/sysrq-trigger
  done
}
look <&9 >/dev/console &

if [ "$LAB_TERMINAL" = 1 ]; then
  exec 3<>/dev/hvc0 # kept open: the last close would throw waiting keys away
  stty rows "$LAB_ROWS" cols "$LAB_COLUMNS" <&3
  echo ready >&9
  setsid -c chroot "$root" /bin/sh "$command" <&3 >&3 2>&1 3>&- 9>&-
  status=$? out=0 err=0
else
  echo ready >&9
  run_on_pipes /run/port/stdin /run/port/stdout /run/port/stderr
fi
sync
echo "exit $status $out $err" >&9
wait_for_the_end
