# What the init scripts have in common; they source it.
# /lab/job sets: LAB_NAME LAB_OUTPUT LAB_LAYER LAB_TERMINAL LAB_ROWS LAB_COLUMNS. /lab/shares calls share. /lab/command is run.

export PATH=/bin
root=/run/root
command=/run/node-kvm-lab-command
. /lab/job

die() {
  echo "lab: $*" >/dev/console
  poweroff -f
}

start_kernel() {
  mount -t devtmpfs dev /dev && mount -t proc proc /proc && mount -t sysfs sys /sys || die 'cannot mount the kernel file systems'
  mount -t tmpfs run /run
  for module in $(cat /lab/modules); do
    insmod "/lab/modules.d/$module.ko" || die "cannot load $module"
  done
  ifconfig lo up
  hostname "$LAB_NAME"
}

# $1: the folder with the files to be seen, which stay as they are; or several with colons between, the uppermost first.
lay_root() {
  mkdir /run/upper "$root"
  mount -t tmpfs -o size=75% upper /run/upper && mkdir /run/upper/data /run/upper/work
  mount -t overlay -o "lowerdir=$1,upperdir=/run/upper/data,workdir=/run/upper/work" root "$root" || die 'cannot lay the overlay'

  mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/run"
  mount -t devtmpfs dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t sysfs sys "$root/sys"
  mkdir -p /dev/pts /dev/shm
  mount -t devpts -o ptmxmode=666 pts "$root/dev/pts" && mount -t tmpfs shm "$root/dev/shm"
  ln -sf /proc/self/fd /dev/fd
  ln -sf /proc/self/fd/0 /dev/stdin
  ln -sf /proc/self/fd/1 /dev/stdout
  ln -sf /proc/self/fd/2 /dev/stderr

  mkdir -p "$root$LAB_OUTPUT"
  echo "$LAB_OUTPUT/core.%e.%p" >/proc/sys/kernel/core_pattern
  cp /lab/command "$root$command" || die 'cannot write the command'
}

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

# Runs the command with its streams at $1, $2 and $3 (and without 9, which may be the control port), and sets status, out and err: its exit status and how many bytes it
# wrote. The command gets pipes, like any command in a pipeline. What was sent is counted: drivers buffer, and the
# other side must know when it has everything.
run_on_pipes() {
  mkfifo /run/in /run/out /run/err
  cat "$1" >/run/in &
  tee "$2" </run/out | wc -c >/run/out.count &
  out_done=$!
  tee "$3" </run/err | wc -c >/run/err.count &
  err_done=$!
  # In a subshell, for then this shell says "Terminated" and the like on the console, not among the command's errors.
  (exec setsid chroot "$root" /bin/sh "$command" </run/in >/run/out 2>/run/err 9>&-)
  status=$?
  end_leftovers
  wait $out_done $err_done
  out=$(cat /run/out.count) err=$(cat /run/err.count)
}

# Whoever started this machine ends it.
wait_for_the_end() {
  while :; do sleep 1000; done
}
