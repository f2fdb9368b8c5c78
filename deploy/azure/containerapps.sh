#!/usr/bin/env bash
# containerapps.sh [--env-file FILE] COMMAND [ROLE…]: signer, issuer and gateway as Azure Container Apps, each an app of its own.
#   create    makes what is missing: resource group, environment, the apps
#   redeploy  gives the apps another image (TACIT_TAG); settings stay
#   env-only  gives the apps the settings and secrets of now; images stay
# Roles: signer issuer gateway, in that order; all unless named. Needs `az` (logged in) and the variables that .env.example lists, from the environment or from
# FILE (default: .env beside this script, if it is there); the environment wins. A file is read, never run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "containerapps: $1" >&2; exit "${2:-1}"; }

# All variables by name: names of models, which settings are keyed by, are no shell identifiers.
declare -A vars=()
while IFS= read -r -d '' entry; do vars[${entry%%=*}]=${entry#*=}; done < <(env -0)
get() { printf '%s' "${vars[$1]:-${2:-}}"; }

# load FILE: KEY=VALUE lines, with or without `export` and quotes. No expansion: a value with $ or ` is that value.
load() {
  local line key value number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    line=${line#"${line%%[![:space:]]*}"}
    case $line in '' | '#'*) continue ;; esac
    line=${line#export }
    key=${line%%=*} value=${line#*=}
    [[ $line == *=* && $key =~ ^[A-Za-z_][A-Za-z0-9_.-]*$ ]] || fail "$1, line $number: not KEY=VALUE" 2
    case $value in
      \"*\") value=${value#\"} value=${value%\"} ;;
      \'*\') value=${value#\'} value=${value%\'} ;;
      *) value=${value%"${value##*[![:space:]]}"} ;;
    esac
    [ -n "${vars[$key]+set}" ] || vars[$key]=$value
  done <"$1"
}

env_file=''
if [ "${1:-}" = --env-file ]; then
  env_file=${2:?--env-file needs a file}
  [ -r "$env_file" ] || fail "$env_file cannot be read" 2
  shift 2
elif [ -r "$here/.env" ]; then
  env_file=$here/.env
fi
[ -z "$env_file" ] || load "$env_file"
command=${1:-}
case $command in create | redeploy | env-only) shift ;; *) usage ;; esac
roles=("$@")
[ ${#roles[@]} -gt 0 ] || roles=(signer issuer gateway)
for role in "${roles[@]}"; do
  case $role in signer | issuer | gateway) ;; *) fail "there is no role $role" 2 ;; esac
done

missing=()
require() { for name in "$@"; do [ -n "${vars[$name]:-}" ] || missing+=("$name"); done; }
require AZURE_RESOURCE_GROUP TACIT_REGISTRY
[ "$command" = env-only ] || require TACIT_TAG
[ "$command" != create ] || require AZURE_LOCATION
if [ "$command" != redeploy ]; then
  for role in "${roles[@]}"; do
    require TACIT_INTERNAL_KEY "TACIT_${role^^}_POSTGRES"
    case $role in
      signer) require TACIT_SIGNER_PASSPHRASE ;;
      issuer) require TACIT_ISSUER_PASSPHRASE ;;
    esac
  done
fi
[ ${#missing[@]} = 0 ] || fail "not set: ${missing[*]} (see $here/.env.example)" 2
# A gateway passes a repeated request on to the one that answers it, and Container Apps give addresses to apps, not to their replicas.
if [ "$command" != redeploy ] && [ "$(get AZURE_GATEWAYS 1)" != 1 ] && [[ " ${roles[*]} " == *' gateway '* ]]; then
  fail "AZURE_GATEWAYS=$(get AZURE_GATEWAYS): replicas of one app cannot reach each other. Run further gateways as apps of their own, each with another AZURE_APP_PREFIX, behind a front door (docs/operating.md, \"Azure Container Apps\"), and leave AZURE_GATEWAYS out" 2
fi
command -v az >/dev/null || fail 'az is not installed: https://learn.microsoft.com/cli/azure/install-azure-cli'

group=$(get AZURE_RESOURCE_GROUP)
environment=$(get AZURE_ENVIRONMENT tacit)
prefix=$(get AZURE_APP_PREFIX tacit)
registry=$(get TACIT_REGISTRY)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077

exists() { "$@" --output none 2>/dev/null; }
# quote TEXT: as a YAML (and JSON) string.
quote() { local text=${1//\\/\\\\}; text=${text//\"/\\\"}; text=${text//$'\n'/\\n}; printf '"%s"' "$text"; }
image_of() { az containerapp show --name "$prefix-$1" --resource-group "$group" --query 'properties.template.containers[0].image' --output tsv; }

# describe ROLE IMAGE: the app as YAML. In a file, since secrets in arguments could be read by every user of this machine.
describe() {
  local role=$1 image=$2 port external section name secret
  local -A secrets=() plain=()
  case $role in
    signer) port=8227 external=false section=Signer ;;
    issuer) port=8225 external=true section=Issuer ;;
    gateway) port=8226 external=true section=Gateway ;;
  esac
  # The front of the environment speaks TLS for the app, so the app itself need not.
  plain[TACIT__${section}__Listen]=0.0.0.0:$port
  plain[TACIT__${section}__BehindProxy]=true
  [ "$role" = signer ] || plain[TACIT__${section}__DrainDelay]=00:00:10
  plain[TACIT__${section}__Database__Postgres]=env:TACIT_POSTGRES
  secrets[TACIT_POSTGRES]=$(get "TACIT_${role^^}_POSTGRES")
  secrets[TACIT_INTERNAL_KEY]=$(get TACIT_INTERNAL_KEY)
  case $role in
    signer) plain[TACIT__Signer__InternalKey]=env:TACIT_INTERNAL_KEY ;;
    *)
      plain[TACIT__${section}__Signer__Key]=env:TACIT_INTERNAL_KEY
      plain[TACIT__${section}__Signer__Address]=https://$prefix-signer.internal.$domain
      ;;
  esac
  # The app has one replica, so its address is the instance's; calls within the environment do not leave it.
  [ "$role" != gateway ] || plain[TACIT__Gateway__InstanceAddress]=https://$prefix-gateway.$domain
  if [ "$role" != gateway ]; then
    plain[TACIT__${section}__Passphrase]=env:TACIT_PASSPHRASE
    secrets[TACIT_PASSPHRASE]=$(get "TACIT_${role^^}_PASSPHRASE")
  fi
  # The role's own settings, and its own secrets: TACIT_SECRET__Gateway__OPENAI_KEY=… is OPENAI_KEY for the gateway and nobody else.
  for name in "${!vars[@]}"; do
    case $name in
      "TACIT__${section}__"*) plain[$name]=${vars[$name]} ;;
      "TACIT_SECRET__${section}__"*) secrets[${name#"TACIT_SECRET__${section}__"}]=${vars[$name]} ;;
    esac
  done

  echo "location: $(quote "$location")"
  echo 'type: Microsoft.App/containerApps'
  echo 'properties:'
  echo "  managedEnvironmentId: $(quote "$environment_id")"
  echo '  configuration:'
  echo '    activeRevisionsMode: Single'
  echo "    ingress: { external: $external, targetPort: $port, transport: auto, allowInsecure: false }"
  if [ -n "$(get AZURE_REGISTRY_IDENTITY)" ]; then
    echo "    registries: [{ server: $(quote "${registry%%/*}"), identity: $(quote "$(get AZURE_REGISTRY_IDENTITY)") }]"
  fi
  echo '    secrets:'
  for name in $(printf '%s\n' "${!secrets[@]}" | sort); do
    secret=${name,,}
    echo "      - { name: ${secret//_/-}, value: $(quote "${secrets[$name]}") }"
  done
  echo '  template:'
  # DrainDelay and DrainTimeout have to fit in here.
  echo '    terminationGracePeriodSeconds: 60'
  echo '    containers:'
  echo "      - name: $role"
  echo "        image: $(quote "$image")"
  echo "        resources: { cpu: $(get AZURE_CPU 0.5), memory: $(get AZURE_MEMORY 1Gi) }"
  echo '        env:'
  for name in $(printf '%s\n' "${!plain[@]}" | sort); do
    echo "          - { name: $name, value: $(quote "${plain[$name]}") }"
  done
  for name in $(printf '%s\n' "${!secrets[@]}" | sort); do
    secret=${name,,}
    echo "          - { name: $name, secretRef: ${secret//_/-} }"
  done
  echo '        probes:'
  echo "          - { type: Liveness, httpGet: { path: /health/live, port: $port }, periodSeconds: 10, failureThreshold: 3 }"
  echo "          - { type: Readiness, httpGet: { path: /health/ready, port: $port }, periodSeconds: 5, failureThreshold: 1 }"
  echo '    scale: { minReplicas: 1, maxReplicas: 1 }'
}

if [ "$command" = create ]; then
  exists az group show --name "$group" || az group create --name "$group" --location "$(get AZURE_LOCATION)" --output none
  exists az containerapp env show --name "$environment" --resource-group "$group" ||
    az containerapp env create --name "$environment" --resource-group "$group" --location "$(get AZURE_LOCATION)" --logs-destination none --output none
fi
if [ "$command" != redeploy ]; then
  query() { az containerapp env show --name "$environment" --resource-group "$group" --query "$1" --output tsv; }
  location=$(query location)
  environment_id=$(query id)
  domain=$(query properties.defaultDomain)
fi

for role in "${roles[@]}"; do
  app=$prefix-$role
  wanted=$registry/tacit-$role:$(get TACIT_TAG)
  case $command in
    create)
      # Without it the gateway would only fail and fail again; it is known once the issuer has started.
      if [ "$role" = gateway ] && [ -z "$(get TACIT__Gateway__DirectoryKey)" ]; then
        echo "the gateway waits for the issuer's directory key: az containerapp logs show --name $prefix-issuer --resource-group $group --tail 50"
        echo 'put it into the env file as TACIT__Gateway__DirectoryKey=… and run: containerapps.sh create gateway'
        continue
      fi
      if exists az containerapp show --name "$app" --resource-group "$group"; then
        echo "$app is there already (redeploy, env-only)"
        continue
      fi
      describe "$role" "$wanted" >"$folder/$role.yaml"
      az containerapp create --name "$app" --resource-group "$group" --yaml "$folder/$role.yaml" --output none
      ;;
    redeploy)
      az containerapp update --name "$app" --resource-group "$group" --image "$wanted" --output none
      ;;
    env-only)
      describe "$role" "$(image_of "$role")" >"$folder/$role.yaml"
      az containerapp update --name "$app" --resource-group "$group" --yaml "$folder/$role.yaml" --output none
      ;;
  esac
  echo "$command: $app"
done
