#!/bin/sh
# Process 1 of the Debian guests: a shell on the console, and power off behind it.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmpfs "$folder"; done
hostname -F /etc/hostname
ip link set lo up

# The last one named is the one that /dev/console is; a shell's own terminal must be called by its name.
read -r consoles </sys/class/tty/console/active
cd "$HOME"
setsid --ctty --wait bash -l <>"/dev/${consoles##* }" >&0 2>&0

sync
mount -o remount,ro /
echo o >/proc/sysrq-trigger
while :; do sleep 1000; done
