#!/bin/busybox sh
# Process 1 of a QEMU lab host. The host's file system arrives over 9p, read-only; a tmpfs laid over it takes the
# writes. The command's input, output and exit status travel over virtio ports, so that the kernel's own
# messages on the serial console never mix with them.
# /lab/job sets: LAB_NAME LAB_OUTPUT LAB_TERMINAL LAB_ROWS LAB_COLUMNS. /lab/shares calls share. /lab/command is run.

export PATH=/bin
die() {
  echo "lab: $*" >/dev/console
  busybox poweroff -f
}

mount -t devtmpfs dev /dev && mount -t proc proc /proc && mount -t sysfs sys /sys || die 'cannot mount the kernel file systems'
mount -t tmpfs run /run
for module in $(cat /lab/modules); do
  insmod "/lab/modules.d/$module.ko" || die "cannot load $module"
done

# The names are in sysfs, and turn up a moment after the driver, control's last.
mkdir /run/port
find_ports() {
  for port in /sys/class/virtio-ports/*; do
    name=$(cat "$port/name" 2>/dev/null) && [ -n "$name" ] && ln -sf "/dev/${port##*/}" "/run/port/$name"
  done
}
until find_ports; [ -e /run/port/control ]; do usleep 20000; done

options=trans=virtio,version=9p2000.L,msize=524288
mkdir /run/lower /run/upper /run/root
mount -t 9p -o "$options,cache=loose,ro" host /run/lower || die 'cannot mount the host file system'
mount -t tmpfs -o size=75% upper /run/upper && mkdir /run/upper/data /run/upper/work
mount -t overlay -o lowerdir=/run/lower,upperdir=/run/upper/data,workdir=/run/upper/work root /run/root || die 'cannot lay the overlay'

root=/run/root
share() {
  mkdir -p "$root$2" && mount --bind "$root$1" "$root$2" || die "cannot share $1"
}
. /lab/job
. /lab/shares
mkdir -p "$root$LAB_OUTPUT" && mount -t 9p -o "$options,cache=none" output "$root$LAB_OUTPUT" || die 'cannot mount the output folder'
mkdir -p "$root/dev" "$root/proc" "$root/sys"
mount -t devtmpfs dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t sysfs sys "$root/sys"
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts "$root/dev/pts" && mount -t tmpfs shm "$root/dev/shm"
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
ifconfig lo up
hostname "$LAB_NAME"
echo "$LAB_OUTPUT/core.%e.%p" >/proc/sys/kernel/core_pattern

# Ends what the command left running, or it would keep the pipes open. This script and what it started are in
# session 0, the command is in one of its own. A process may start others meanwhile, so look more than once.
end_leftovers() {
  for round in 1 2 3 4 5 6 7 8; do
    for process in /proc/[0-9]*; do
      { read -r stat <"$process/stat"; } 2>/dev/null || continue
      set -- ${stat##*) } # state, parent, group, session
      [ "$4" = 0 ] || kill -KILL "${process##*/}" 2>/dev/null
    done
  done
}

command=/run/node-kvm-lab-command
cp /lab/command "$root$command" || die 'cannot write the command'
if [ "$LAB_TERMINAL" = 1 ]; then
  exec 3<>/dev/hvc0 # kept open: the last close would throw waiting keys away
  stty rows "$LAB_ROWS" cols "$LAB_COLUMNS" <&3
fi
echo ready >/run/port/control

out=0 err=0
if [ "$LAB_TERMINAL" = 1 ]; then
  setsid -c chroot "$root" /bin/sh "$command" <&3 >&3 2>&1 3>&-
  status=$?
else
  # The command gets pipes, like any command in a pipeline. What was sent is counted: the port's driver buffers,
  # and the other side must know when it has everything.
  mkfifo /run/in /run/out /run/err
  cat /run/port/stdin >/run/in &
  tee /run/port/stdout </run/out | wc -c >/run/out.count &
  out_done=$!
  tee /run/port/stderr </run/err | wc -c >/run/err.count &
  err_done=$!
  # In a subshell, for then this shell says "Terminated" and the like on the console, not among the command's errors.
  (exec setsid chroot "$root" /bin/sh "$command" </run/in >/run/out 2>/run/err)
  status=$?
  end_leftovers
  wait $out_done $err_done
  out=$(cat /run/out.count) err=$(cat /run/err.count)
fi
sync
echo "exit $status $out $err" >/run/port/control
while :; do sleep 1000; done # whoever started this machine ends it
