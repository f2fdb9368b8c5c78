#!/usr/bin/env bash
# publish.sh [RID…]: builds `tacit` as one self-contained file for each runtime (default: linux-x64 linux-arm64) and wraps each in a .deb, in
# artifacts/publish. A runtime that the package source does not have is said and skipped; nothing built at all is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/artifacts/publish
runtimes=("$@")
[ ${#runtimes[@]} -gt 0 ] || runtimes=(linux-x64 linux-arm64)
mkdir -p "$out/locks"
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)

publish() {
  local rid=$1 log=$out/$1.log
  printf 'publishing tacit %s for %s …' "$version" "$rid"
  # Not trimmed and not compiled ahead: one needs every library to be ready for it, the other a compiler per target.
  if dotnet publish src/Cli -c Release -r "$rid" --self-contained -p:PublishSingleFile=true -p:DebugType=none -p:GenerateDocumentationFile=false \
    --artifacts-path "$out/build" -o "$out/$rid" --nologo -v minimal >"$log" 2>&1; then
    printf ' %s MB\n' "$(($(stat -c %s "$out/$rid/tacit") / 1000000))"
    # What is given to others has its pages.
    if grep -hoE '[A-Za-z.]+ is built without its page: .*' "$log" | sort -u >&2; then return 1; fi
    return 0
  fi
  printf ' not possible\n'
  grep -hoE 'error [A-Z]+[0-9]+: .*' "$log" | sed 's: \[/.*::' | sort -u | sed 's/^/  /' >&2 || tail -n 5 "$log" >&2
  return 1
}

package() {
  local rid=$1 arch root
  case $rid in linux-x64) arch=amd64 ;; linux-arm64) arch=arm64 ;; *) return 0 ;; esac
  command -v dpkg-deb >/dev/null || { echo '  dpkg-deb is not here: no .deb' >&2; return 0; }
  root=$(mktemp -d)
  chmod 0755 "$root"
  install -Dm755 "$out/$rid/tacit" "$root/usr/bin/tacit"
  deploy/install-units.sh "$root"
  for role in signer issuer gateway relay; do
    install -Dm644 "deploy/settings/$role.json" "$root/etc/tacit/$role.json"
  done
  install -Dm644 deploy/debian/lintian-overrides "$root/usr/share/lintian/overrides/tacit"
  install -Dm644 src/Cli/Desktop/tacit.desktop "$root/usr/share/applications/tacit.desktop"
  install -Dm644 src/App/web/static/icon.svg "$root/usr/share/icons/hicolor/scalable/apps/tacit.svg"
  for size in 192 512; do
    install -Dm644 "src/App/web/static/icon-$size.png" "$root/usr/share/icons/hicolor/${size}x$size/apps/tacit.png"
  done
  install -d "$root/usr/share/man/man1" "$root/usr/share/doc/tacit" "$root/DEBIAN"
  gzip -9n <deploy/debian/tacit.1 >"$root/usr/share/man/man1/tacit.1.gz"
  gzip -9n <docs/operating.md >"$root/usr/share/doc/tacit/operating.md.gz"
  sed -e '1,/^$/d' -e 's/^$/./' -e 's/^/ /' LICENSE >"$root/license"
  sed -e "/@LICENSE@/{r $root/license" -e 'd}' deploy/debian/copyright >"$root/usr/share/doc/tacit/copyright"
  rm "$root/license"
  printf 'tacit (%s) unstable; urgency=medium\n\n  * See the history of the source.\n\n -- The Tacit authors <packages@tacit.example>  %s\n' \
    "$version" "$(date -uR -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")" | gzip -9n >"$root/usr/share/doc/tacit/changelog.gz"
  sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" deploy/debian/control.in >"$root/DEBIAN/control"
  install -m755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN"
  (cd "$root" && find etc -type f | sed 's:^:/:' | sort) >"$root/DEBIAN/conffiles"
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  chmod -R go-w "$root"
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out/tacit_${version}_$arch.deb" >/dev/null
  rm -rf "$root"
  echo "  artifacts/publish/tacit_${version}_$arch.deb"
}

built=0
for rid in "${runtimes[@]}"; do
  if publish "$rid"; then
    package "$rid"
    built=$((built + 1))
  fi
done
[ "$built" -gt 0 ]
