#!/usr/bin/env bash
# check-host.sh: says what this machine lacks of deploy/host/sysctl.conf, whether memory could reach a disk, and how the units score. Changes nothing. Fails if
# anything is lacking. PROC (default /proc) is where the kernel tells.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
proc=${PROC:-/proc} lacking=0
lack() { echo "lacking  $*"; lacking=1; }

while IFS='=' read -r key value; do
  key=${key// /} value=${value# }
  [[ -n $key && $key != '#'* ]] || continue
  file=$proc/sys/${key//.//}
  if [ ! -r "$file" ]; then echo "unknown  $key: this kernel does not tell"; continue; fi
  is=$(<"$file")
  # The kernel counts some of these upwards: more is stricter.
  if [ "$is" = "$value" ]; then echo "ok       $key = $is"
  elif [[ $key =~ ^(kernel\.yama|kernel\.unpriv|net\.core\.somaxconn) && $is =~ ^[0-9]+$ && $is -gt $value ]]; then echo "ok       $key = $is"
  else lack "$key = $is, should be $value"; fi
done <"$here/host/sysctl.conf"

areas=$(tail -n +2 "$proc/swaps" 2>/dev/null | awk '{ print $1 }')
if [ -z "$areas" ]; then echo 'ok       no swap'; fi
for area in $areas; do
  case $area in
    /dev/zram*) echo "ok       swap on $area stays in memory" ;;
    # A mapped device: is there an encrypting layer below?
    /dev/dm-* | /dev/mapper/*)
      if lsblk -snro TYPE "$area" 2>/dev/null | grep -qx crypt; then echo "ok       swap on $area is encrypted"; else lack "swap on $area is not encrypted"; fi ;;
    *) lack "swap on $area is not encrypted: swapoff -a, or see host/sysctl.conf" ;;
  esac
done

if command -v systemd-analyze >/dev/null; then "$here/units-score.sh" || lack 'a unit scores above 2.0'; fi
exit $lacking
