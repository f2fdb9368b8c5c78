#!/usr/bin/env bash
# build-image.sh [--registry HOST/PATH] [--tag TAG] [--platform P,P] [--push] [ROLE…]: builds the images tacit-signer, tacit-issuer, tacit-gateway and tacit-relay.
# The tag is the version and the commit unless given. More than one platform needs buildx and --push: an engine keeps images of its own kind only.
set -euo pipefail
cd "$(dirname "$0")/../.."
registry='' tag='' platform='' push='' roles=()
usage() { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --registry) registry=${2:?}; shift 2 ;;
    --tag) tag=${2:?}; shift 2 ;;
    --platform) platform=${2:?}; shift 2 ;;
    --push) push=1; shift ;;
    signer | issuer | gateway | relay) roles+=("$1"); shift ;;
    *) usage ;;
  esac
done
[ ${#roles[@]} -gt 0 ] || roles=(signer issuer gateway relay)
if [ -z "$tag" ]; then
  tag=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)-$(git rev-parse --short=12 HEAD)
  # An image must not say it is a commit that it is not.
  [ -z "$(git status --porcelain --untracked-files=no)" ] || tag+=-changed
fi
case $platform in
  *,*) [ -n "$push" ] || { echo 'build-image: several platforms at once have to be pushed: add --push' >&2; exit 2; } ;;
esac

for role in "${roles[@]}"; do
  image=${registry:+$registry/}tacit-$role:$tag
  arguments=(--file deploy/docker/Dockerfile --target "$role" --tag "$image" --label "org.opencontainers.image.revision=$(git rev-parse HEAD)")
  if [ -n "$platform" ]; then arguments+=(--platform "$platform"); fi
  if [ -n "$push" ]; then
    docker buildx build "${arguments[@]}" --push .
  else
    docker build "${arguments[@]}" .
  fi
  echo "$image"
done
