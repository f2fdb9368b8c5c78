#!/usr/bin/env bash
# try-units.sh PROGRAM: boots systemd in namespaces of its own, over this machine's root (read-only; what is written goes to memory and is gone afterwards),
# installs PROGRAM with the package's users and units there, and shows that the roles run in their sandboxes. As root, on systemd 247 or newer; half a minute.
# PROGRAM is `tacit` as `make publish` made it, or as it was built, with its libraries beside it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo 'try-units: run it as root: it makes namespaces' >&2; exit 2; }
for tool in /lib/systemd/systemd unshare chroot curl adduser openssl; do command -v "$tool" >/dev/null || { echo "try-units: $tool is not here" >&2; exit 2; }; done

if [ "${2:-}" != inside ]; then
  program=$(realpath "${1:?PROGRAM}")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Everything of it dies with the first process of its namespace, and its mounts with that; so there is nothing to clean up.
  TRY_FOLDER=$work timeout -k 5 "${TRY_UNITS_SECONDS:-300}" unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net --propagation private bash "$0" "$program" inside >"$work/log" 2>&1 </dev/null || true
  [ ! -s "$work/out" ] || cat "$work/out"
  [ -e "$work/fine" ] || { tail -n 40 "$work/log" >&2; echo 'try-units: failed' >&2; exit 1; }
  exit 0
fi

program=$1 root=$TRY_FOLDER/root
mkdir -p "$TRY_FOLDER/disk" "$root"
mount -t tmpfs tmpfs "$TRY_FOLDER/disk"
mkdir "$TRY_FOLDER/disk/upper" "$TRY_FOLDER/disk/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$TRY_FOLDER/disk/upper,workdir=$TRY_FOLDER/disk/work" "$root"
mount -t proc proc "$root/proc"
# Kernel settings are the machine's, and stay as they are.
mount --bind "$root/proc/sys" "$root/proc/sys" && mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do mknod -m 666 "$root/dev/$device" c "$((0x$(stat -c %t "/dev/$device")))" "$((0x$(stat -c %T "/dev/$device")))"; done
mkdir "$root/dev/shm" "$root/dev/pts" && ln -s pts/ptmx "$root/dev/ptmx" && ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
ip link set lo up

# The program, its units, settings, users and keys, as the package does it.
rm -rf "$root"/etc/systemd/system/* "$root"/etc/tacit "$root"/var/lib/tacit
if [ -e "${program%/*}/Tacit.Cli.dll" ] || [ -e "${program%/*}/tacit.dll" ]; then
  cp -r "${program%/*}" "$root/usr/lib/tacit" && ln -sf ../lib/tacit/tacit "$root/usr/bin/tacit"
else
  install -m755 "$program" "$root/usr/bin/tacit"
fi
"$here/install-units.sh" "$root"
for role in signer issuer gateway relay; do install -Dm644 "$here/settings/$role.json" "$root/etc/tacit/$role.json"; done
sed -i 's/gpt-4o-mini/tacit-demo/; s#https://gateway.example#http://127.0.0.1:8226#' "$root"/etc/tacit/*.json
sed -i 's/"Listen": "[^"]*"/"Listen": "systemd"/' "$root/etc/tacit/gateway.json"
# Not in /tmp, which systemd empties when it boots.
mkdir -p "$root/try/result" && cp "$here/debian/postinst" "$here/try-units-inside.sh" "$root/try"
chroot "$root" sh /try/postinst configure

system=$root/etc/systemd/system
cat >"$system/try.target" <<'UNIT'
[Unit]
Requires=basic.target try.service
AllowIsolate=yes
UNIT
cat >"$system/try.service" <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/bash /try/try-units-inside.sh
Environment=HOME=/root
StandardOutput=journal
StandardError=inherit
TimeoutStartSec=infinity
ExecStopPost=/bin/systemctl --force exit
UNIT
ln -s try.target "$system/default.target"
for unit in systemd-udevd systemd-udev-trigger systemd-logind systemd-sysusers systemd-update-utmp systemd-journal-flush e2scrub_all apparmor; do ln -s /dev/null "$system/$unit.service"; done

# What the script inside says comes out by the one folder that both see.
mount --bind "$TRY_FOLDER" "$root/try/result"
# Not chroot: units with namespaces of their own want a root that is one.
cd "$root" && mkdir -p try/old && pivot_root . try/old && umount -l try/old
exec env -i container=tacit PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system --log-target=journal-or-kmsg --show-status=0
