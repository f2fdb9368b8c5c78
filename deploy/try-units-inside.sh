#!/usr/bin/env bash
# Run by try-units.sh as a unit of the systemd that it booted.
# shellcheck disable=SC2015 # `fail` ends the script.
set -euo pipefail
exec > >(tee /try/result/out) 2>&1
trap 'code=$?; [ $code = 0 ] && touch /try/result/fine || { journalctl --no-pager -n 60 -o cat; echo "failed with $code"; }; sleep 0.2' EXIT
say() { echo "$*"; }
fail() { echo "FAILED: $*"; exit 1; }

# Units of type notify: each of these returns when the role has said that it is ready.
systemctl start tacit-signer tacit-issuer
for _ in $(seq 100); do
  journalctl --sync
  key=$(journalctl -u tacit-issuer -o cat --no-pager | sed -n 's/^ *directoryKey: //p' | tail -n 1)
  [ -z "$key" ] || break
  sleep 0.1
done
[ -n "$key" ] || fail 'the issuer did not say its directory key'
sed -i "s/\"DirectoryKey\": \"[^\"]*\"/\"DirectoryKey\": \"$key\"/" /etc/tacit/gateway.json

# The gateway is started by the first connection to its socket.
systemctl start tacit-gateway.socket
[ "$(systemctl is-active tacit-gateway || true)" = inactive ] || fail 'the gateway runs before anyone called'
curl -sf -m 60 http://127.0.0.1:8226/health/live >/dev/null || fail 'the gateway does not answer on the passed socket'
systemctl start tacit-relay
[ "$(curl -s -o /dev/null -w '%{http_code}' -m 60 http://127.0.0.1:8228/health/live)" = 200 ] || fail 'the relay does not answer'
say 'started: signer, issuer and relay by notification, the gateway by its socket'

for role in signer issuer gateway relay; do
  pid=$(systemctl show -p MainPID --value "tacit-$role")
  status=$(cat "/proc/$pid/status")
  field() { awk -v name="$1:" '$1 == name { print $2 }' <<<"$status"; }
  [ "$(field Seccomp)" = 2 ] && [ "$(field NoNewPrivs)" = 1 ] && [ "$(field CapBnd)" = 0000000000000000 ] && [ "$(field CapEff)" = 0000000000000000 ] || fail "$role is not confined: $status"
  [ "$(stat -c %U "/proc/$pid")" = "tacit-$role" ] || fail "$role runs as another user"
  [ "$(cat "/proc/$pid/coredump_filter")" = 00000000 ] || fail "$role would dump memory"
  grep -q '^Max core file size *0 ' "/proc/$pid/limits" || fail "$role has a core limit"
  # The runtime keeps to W^X: no page of the process is both.
  if grep -q ' rwx' "/proc/$pid/maps"; then fail "$role has pages that can be written and run: $(grep -m3 ' rwx' "/proc/$pid/maps")"; fi
  [ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/1/ns/mnt)" ] && [ "$(readlink "/proc/$pid/ns/user")" != "$(readlink /proc/1/ns/user)" ] || fail "$role shares namespaces"
  say "$role: seccomp, no capability, namespaces of its own, no core, no page that can be written and run"
done

pid=$(systemctl show -p MainPID --value tacit-gateway)
[ "$(grep -l '(.NET Sockets)' /proc/"$pid"/task/*/stat | while read -r stat; do sed 's/.*) //' "$stat" | cut -d' ' -f39; done | sort -u)" = 3 ] || fail "the gateway's sockets do not wait for their turn"
say 'gateway: its threads for sockets wait for their turn'

code=$(runuser -u tacit-issuer -- tacit voucher create --credits 20 --data /var/lib/tacit/issuer | tail -n 1)
export TACIT_HOME=/root/wallet
tacit account create --issuer http://127.0.0.1:8225 --directory-key "$key" >/dev/null
tacit account deposit "$code"
tacit ask --model tacit-demo 'Do the units work?' </dev/null | head -n 1 | grep -q . || fail 'no answer'
say 'a question went through all of them'

# A restart behind a socket: whoever connects meanwhile waits, and nobody is refused (curl's 7). One that the old process had just taken may see its end.
(for _ in $(seq 40); do code=0; curl -s -o /dev/null -m 60 http://127.0.0.1:8226/health/live || code=$?; echo "$code"; done) >/tmp/codes &
asking=$!
systemctl restart tacit-gateway
wait "$asking"
! grep -qvx '0\|52\|56' /tmp/codes && [ "$(grep -cx 0 /tmp/codes)" -ge 37 ] || fail "while it restarted: $(sort /tmp/codes | uniq -c | tr '\n' ' ')"
tacit ask --model tacit-demo 'And after a restart?' </dev/null >/dev/null
say 'restarted behind its socket: 40 connections meanwhile, none refused'

# What injected code would try. Units with these names get the same sandbox.
probe() { # NAME COMMAND: in the sandbox, as the gateway's user
  systemd-run --quiet --wait --pipe --unit="tacit-probe-$1" -p User=tacit-gateway -p StateDirectory=tacit/gateway -p ExecPaths=/usr/bin "/bin/bash" -c "$2" 2>&1
}
probe baseline 'true' || fail 'the sandbox runs nothing at all'
for folder in /tmp /var/tmp /dev/shm /var/lib/tacit/gateway; do
  ! probe exec "cp /bin/true $folder/x && chmod 700 $folder/x && $folder/x" >/dev/null || fail "what was written to $folder could be run"
done
! probe write 'echo x >/usr/bin/x' >/dev/null || fail 'the system could be written'
! probe keys 'cat /etc/tacit/keys/signer/role.key' >/dev/null || fail 'another role'"'"'s key could be read'
! probe others 'ls /var/lib/tacit/signer/' >/dev/null || fail 'another role'"'"'s data could be read'
! probe processes 'test -e /proc/1/status' >/dev/null || fail 'other processes could be seen'
! probe namespaces 'unshare --user true' >/dev/null || fail 'a namespace could be made'
! probe mounts 'mount -t tmpfs x /tmp' >/dev/null || fail 'something could be mounted'
! probe packet 'python3 -c "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"' >/dev/null || fail 'a raw socket could be made'
say 'the sandbox: nothing written can be run, no other role, process, mount or namespace can be reached'

if systemd-run --quiet --wait --pipe --unit=tacit-probe-jit -p User=tacit-gateway -p MemoryDenyWriteExecute=yes /usr/bin/tacit --version >/dev/null 2>&1; then
  say 'MemoryDenyWriteExecute: the runtime lives under it now: add it to the sandbox'
else
  say 'MemoryDenyWriteExecute: the runtime still dies under it'
fi
systemd-run --quiet --wait --pipe --unit=tacit-probe-run -p User=tacit-gateway /usr/bin/tacit --version >/dev/null || fail 'the program does not run in the sandbox'

# A role that hangs is ended and started again.
mkdir -p /run/systemd/system/tacit-gateway.service.d
printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=2\n' >/run/systemd/system/tacit-gateway.service.d/try.conf
systemctl daemon-reload
systemctl restart tacit-gateway
pid=$(systemctl show -p MainPID --value tacit-gateway)
kill -STOP "$pid"
for _ in $(seq 200); do
  now=$(systemctl show -p MainPID --value tacit-gateway)
  [ "$now" = "$pid" ] || [ "$now" = 0 ] || break
  sleep 0.2
done
[ "$now" != "$pid" ] && [ "$now" != 0 ] || fail 'the watchdog did nothing'
curl -sf -m 60 http://127.0.0.1:8226/health/live >/dev/null || fail 'the gateway did not come back'
say 'the watchdog ended a gateway that hung, and started it again'

systemctl stop tacit-gateway.socket tacit-gateway tacit-issuer tacit-signer tacit-relay
for role in signer issuer gateway relay; do
  [ "$(systemctl show -p Result --value "tacit-$role")" = success ] || fail "$role did not stop well: $(systemctl show -p Result --value "tacit-$role")"
done
say 'all stopped in order'
