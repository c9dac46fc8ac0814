# shellcheck shell=bash
# What `scripts/engine` keeps in the cache: Docker's programs, images of base systems, package clients and servers.
# One rule: a recipe runs in an empty folder, writes nothing outside it, and is for `provide`.

: "${cache:?scripts/lib/cache.sh comes first}"
readonly old_suite=bookworm # the last with a Docker client that knows no buildx

current_docker() {
  unpack forky docker.io docker-cli docker-buildx containerd || unpack trixie docker.io docker-cli docker-buildx containerd
  mkdir -p bin cli-plugins
  ln -s ../usr/bin/docker bin/docker
  ln -s "../$(find usr -name docker-buildx -path '*/cli-plugins/*')" cli-plugins/docker-buildx
}

legacy_docker() {
  unpack "$old_suite" docker.io
  mkdir bin
  mv usr/bin/docker bin/
  rm -r usr etc
}

base_rootfs() {
  mkdir bin tmp
  cp "$cache/tools/bin/busybox" bin/
  bin/busybox --install -s bin
  ln -sf busybox bin/sh
}

# Stands in for the official image where no registry can be reached: `python`, and a `pip` that installs as root. Its
# default index is a port of loopback where nobody listens: a test sees only the indexes that it gives.
python_tar() {
  debian_source "$old_suite" >sources.list
  # shellcheck disable=SC2016 # expanded by the hook's shell
  perl "$cache/tools/usr/bin/mmdebstrap" --quiet --mode=root --variant=essential \
    --hook-dir="$cache/tools/usr/share/mmdebstrap/hooks/merged-usr" \
    --include=python3-pip,python3-venv,python-is-python3,ca-certificates \
    --customize-hook='cd "$1/usr" && rm -r lib/python3*/EXTERNALLY-MANAGED share/doc share/man share/locale share/info' \
    --customize-hook='printf "[global]\nindex-url = http://127.0.0.1:9/simple/\nretries = 0\n" >"$1/etc/pip.conf"' \
    "$old_suite" rootfs.tar sources.list
}

# Package clients as their own registries have them, and Debian's for Java, in one image. Every default registry is a port
# of loopback where nobody listens, as in `python_tar`.
clients_tar() {
  local sysroot
  sysroot=$(rustc --print sysroot)
  mkdir -p opt/cargo/bin opt/cargo/lib opt/yarn1
  cp "$sysroot/bin/cargo" "$sysroot/bin/rustc" opt/cargo/bin/
  cp "$sysroot"/lib/lib*.so* opt/cargo/lib/ # cargo asks rustc for its version even to fetch
  python_packages --only-binary=:all: --python-version 3.11 \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 uv==0.13.9 poetry==2.5.1 twine==7.0.0
  mv python opt/
  node_packages node@24 npm@11 pnpm@10 yarn@1 @yarnpkg/cli-dist@4
  mv node opt/
  rm -r opt/node/node_modules/node/node_modules # holds a second copy of node
  ln -s ../node/node_modules/yarn/bin/yarn.js opt/yarn1/yarn
  debian_source "$old_suite" >sources.list
  # shellcheck disable=SC2016 # expanded by the hook's shell
  perl "$cache/tools/usr/bin/mmdebstrap" --quiet --mode=root --variant=essential \
    --hook-dir="$cache/tools/usr/share/mmdebstrap/hooks/merged-usr" \
    --include=python3-pip,python-is-python3,ca-certificates,curl,git,libstdc++6,openjdk-17-jre-headless,maven,gradle \
    --customize-hook="cp -r $PWD/opt \"\$1/\"" \
    --customize-hook='cd "$1/usr" && rm -r lib/python3*/EXTERNALLY-MANAGED share/doc share/man share/locale share/info' \
    --customize-hook='useradd --root "$1" --create-home --uid 1000 app' \
    "$old_suite" rootfs.tar sources.list
  rm -r opt
}

# Somebody else's package servers, for this machine's interpreters.
servers() {
  python_packages pypiserver==2.4.1 passlib
  mkdir node
  echo '{ "overrides": { "node-fetch": "2" } }' >node/package.json # verdaccio asks for a tag, which mirrors may lack
  node_packages verdaccio@6
}

# python_packages ARGUMENT…: packages into ./python.
python_packages() {
  local script
  python3 -m pip install --quiet --root-user-action=ignore --target python "$@"
  for script in python/bin/*; do
    [[ $(head -c 2 "$script" | tr -d '\0') != '#!' ]] || sed -i '1s|.*|#!/usr/bin/env python3|' "$script"
  done
}

# node_packages PACKAGE…: packages into ./node.
node_packages() {
  mkdir -p node
  npm install --silent --no-audit --no-fund --prefix node "$@"
}
