# shellcheck shell=bash
# A feed service and a registry on this machine, and steps in it as the agent runs them. For `scripts/engine run`.
# One rule: everything that it starts ends with the script.

: "${FEEDBUILD_TEST_ENGINE_CONTAINERD:?scripts/engine run --store containerd comes first}"
readonly registry_id=0f8fad5b-d9cb-469f-a165-70867728950e
bin=${CARGO_TARGET_DIR:-target}/debug
folder=$(mktemp -d)
sandbox_pid=
close_world() {
  [[ -z $sandbox_pid ]] || kill "$sandbox_pid" 2>/dev/null || true
  rm -rf "$folder"
}
trap close_world EXIT

# field NAME.NAME: a field of the JSON on stdin.
field() { node -p "$(printf 'JSON.parse(fs.readFileSync(0)).%s' "$1")"; }

# Starts the feed service and the registry: sets `collection`, `registry`, `token` and `password`.
open_world() {
  local world
  token=demo-token-$RANDOM$RANDOM$RANDOM$RANDOM
  password=demo-password-$RANDOM$RANDOM$RANDOM
  coproc SANDBOX {
    exec "$bin/feedbuild-sandbox" --token "$token" --feed my-private-pypi \
      --registry "$FEEDBUILD_TEST_REGISTRY_BIN" --registry-user ci --registry-password "$password"
  }
  # shellcheck disable=SC2153 # set by coproc
  sandbox_pid=$SANDBOX_PID
  read -r world <&"${SANDBOX[0]}"
  collection=$(field collectionUrl <<<"$world")
  registry=$(field registry.host <<<"$world")
  install -m 600 /dev/stdin "$folder/token" <<<"$token"
  install -m 600 /dev/stdin "$folder/registry.json" <<E2
{"id": "$registry_id", "url": "http://$registry/", "scheme": "UsernamePassword",
 "parameters": {"registry": "http://$registry", "username": "ci", "password": "$password"},
 "data": {"registrytype": "Others"}}
E2
  mkdir -p "$folder/home/.docker"
  ln -s "$FEEDBUILD_TEST_CLIENT/cli-plugins" "$folder/home/.docker/cli-plugins"
}

# step SOURCES ARGUMENT…: the article's step with these sources and arguments of the agent; $folder/report.json is what it left.
step() {
  local sources=$1
  shift
  "$bin/feedbuild-agent" --sources "$sources" --collection "$collection" \
    --token-file "$folder/token" --endpoint-file "$folder/registry.json" --report "$folder/report.json" \
    --host-env DOCKER_HOST="$FEEDBUILD_TEST_ENGINE_CONTAINERD" --host-env HOME="$folder/home" \
    --input artifactFeeds=my-private-pypi --input onlyAddExtraIndex=true --input network=host \
    --input containerRegistry="$registry_id" --input repository=my-service --input tags="\$(Build.BuildId)" "$@"
}
