#!/bin/sh
# Installs the Debian packages that a task in this checkout needs and that are missing:
#   sh scripts/debian-packages.sh build     compile the addon and the guests
#   sh scripts/debian-packages.sh check     npm run check, the sanitizer builds, the arm64 cross build, the models, the ACPI tables
# A package counts as there when its command is on PATH. Installing needs apt-get, and root or sudo.
set -eu

# command:package
build='g++:g++ make:make python3:python3 ld:binutils'
check='clang-format:clang-format clang-tidy:clang-tidy cmake:cmake aarch64-linux-gnu-g++:g++-aarch64-linux-gnu spin:spin iasl:acpica-tools'

wanted=''
for group in "$@"; do
  case $group in
    build) wanted="$wanted $build" ;;
    check) wanted="$wanted $check" ;;
    *) echo "usage: $0 build|check ..." >&2; exit 2 ;;
  esac
done

missing=''
for entry in $wanted; do
  command -v "${entry%%:*}" >/dev/null || missing="$missing ${entry#*:}"
done
[ -n "$missing" ] || exit 0

apt() { "$@" apt-get -q -o DPkg::Lock::Timeout=300 update && "$@" apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing; }

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "Installing Debian packages:$missing"
  apt env DEBIAN_FRONTEND=noninteractive
elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
  echo "Installing Debian packages through sudo:$missing"
  apt sudo -n DEBIAN_FRONTEND=noninteractive
else
  echo "Packages are missing. Install them and run the command again:" >&2
  echo "  sudo apt-get install --no-install-recommends$missing" >&2
  exit 1
fi
