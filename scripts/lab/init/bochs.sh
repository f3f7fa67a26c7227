#!/bin/busybox sh
# Process 1 of a Bochs lab host. The files to be seen are on the CD-ROM that the machine was started from, under tree/. Bochs
# has no better way out than its serial ports: one each for the console, the command's output and errors, and
# control. The output folder leaves as an archive on the hard disk.

. /lab/common.sh
start_kernel

# Kept open: the settings are forgotten at the last close.
exec 5<>/dev/ttyS1 6<>/dev/ttyS2 7<>/dev/ttyS3
for port in 1 2 3; do stty raw -echo 115200 <"/dev/ttyS$port"; done

until [ -b /dev/sr0 ] && [ -b /dev/sda ]; do usleep 20000; done
mkdir /run/lower
mount -t iso9660 -o ro /dev/sr0 /run/lower || die 'cannot mount the CD-ROM'
lay_root /run/lower/tree
chroot "$root" /bin/busybox --install -s /bin

echo ready >&7
run_on_pipes /dev/null /dev/ttyS1 /dev/ttyS2
tar -C "$root$LAB_OUTPUT" -cf /dev/sda .
sync
echo "exit $status $out $err" >&7
wait_for_the_end
