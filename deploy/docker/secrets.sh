#!/usr/bin/env bash
# secrets.sh [FOLDER]: makes the secrets that compose.yaml mounts, once; what is there stays. As root, so that each file belongs to the user of the container
# that reads it and to nobody else.
set -euo pipefail
cd "$(dirname "$0")"
folder=${1:-secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

# own FILE UID: where this user may.
own() {
  if [ "$(id -u)" = 0 ]; then chown "$2" "$1"; else chmod 0444 "$1"; fi
}

# The key between the roles is one secret; each gets a file of its own, as none may read another's.
[ -s internal.key ] || openssl rand -base64 32 >internal.key
uid() { case $1 in signer) echo 10001 ;; issuer) echo 10002 ;; gateway) echo 10003 ;; esac }
for role in signer issuer gateway; do
  [ -s "$role-internal.key" ] || cp internal.key "$role-internal.key"
  [ -s "$role.key" ] || openssl rand -base64 32 >"$role.key"
  [ -s "$role-password" ] || openssl rand -hex 24 | tr -d '\n' >"$role-password"
  host=postgres-identity
  [ "$role" = gateway ] && host=postgres-anonymous
  [ -s "$role-postgres" ] || printf 'Host=%s;Database=tacit_%s;Username=tacit_%s;Password=%s' "$host" "$role" "$role" "$(cat "$role-password")" >"$role-postgres"
  for file in "$role-internal.key" "$role.key" "$role-postgres"; do
    if [ -e "$file" ]; then own "$file" "$(uid "$role")"; fi
  done
  # PostgreSQL's own user in its image; it reads the passwords of its databases once, when it is made.
  own "$role-password" 999
done
for server in identity anonymous; do
  [ -s "postgres-$server-password" ] || openssl rand -hex 24 | tr -d '\n' >"postgres-$server-password"
  own "postgres-$server-password" 999
done

# The signer's certificate, which issuer and gateway trust by having it, and nobody else does.
if [ ! -s signer-tls.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj /CN=signer -addext subjectAltName=DNS:signer \
    -addext extendedKeyUsage=serverAuth -keyout signer-tls.key -out signer-tls.crt 2>/dev/null
fi
own signer-tls.key 10001
chmod 0444 signer-tls.crt
echo "the secrets are in $PWD"
[ "$(id -u)" = 0 ] || echo 'not run as root: every user of this machine can read the files, and roles refuse such secrets in production; run it as root, or set Profile to development' >&2
