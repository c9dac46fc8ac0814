# shellcheck shell=bash
# Tools in the user's cache folder, from Debian's packages where they have them; the system stays as it is.
# One rule: a folder in the cache is whole or absent, so an interrupted run leaves nothing half and checkouts share it.

# The last part is raised when a recipe changes, so that an older checkout keeps what it made.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/feedbuild/2

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# provide NAME COMMAND…: makes the cache folder NAME, if it is absent, by running COMMAND in an empty folder.
provide() {
  local name=$1 new
  shift
  [[ ! -e $cache/$name ]] || return 0
  mkdir -p "$cache"
  exec 7>"$cache/$name.lock"
  flock 7
  if [[ ! -e $cache/$name ]]; then
    say "making $name in $cache"
    rm -rf "$cache/new.$name".* # left by a run that was killed: who holds the lock is alone
    new=$(mktemp -d "$cache/new.$name.XXXXXX")
    (
      cd "$new" || exit
      "$@"
    ) >&2
    mv -T "$new" "$cache/$name"
  fi
  exec 7>&-
}

# private_apt FOLDER ARGUMENT…: apt-get whose lists, downloads and, where it is there, sources.list are in FOLDER.
private_apt() {
  local folder=$1 options
  shift
  mkdir -p "$folder/lists/partial" "$folder/archives/partial"
  options=(-qq -o APT::Sandbox::User=root -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder")
  if [[ -e $folder/sources.list ]]; then
    options+=(-o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=-)
  fi
  apt-get "${options[@]}" "$@"
}

# debian_mirror APT-COMMAND…: the Debian mirror among the machine's own sources, as far as their lists are there.
debian_mirror() {
  # shellcheck disable=SC2016 # apt's own variable
  "$@" indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1
}

# debian_source SUITE: the sources.list line of a suite at that mirror.
debian_source() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg folder mirror
  if [[ ! -r $keyring ]] || ! command -v apt-get >/dev/null; then
    die "this needs Debian's packages, and this is not Debian"
  fi
  mirror=$(debian_mirror apt-get)
  if [[ -z $mirror ]]; then # no `apt-get update` ever ran here
    folder=$PWD/.sources
    private_apt "$folder" update >&2 || true # a third party's broken source is not ours to judge
    mirror=$(debian_mirror private_apt "$folder")
    rm -rf "$folder"
  fi
  [[ -n $mirror ]] || die "the machine's apt sources name no Debian mirror that answers"
  printf 'deb [signed-by=%s target=Packages] %s %s main\n' "$keyring" "$mirror" "$1"
}

# unpack SUITE PACKAGE…: unpacks that suite's packages, without what they depend on, into the current folder.
unpack() {
  local suite=$1 folder=$PWD/.packages status=0
  shift
  mkdir "$folder"
  debian_source "$suite" >"$folder/sources.list"
  {
    private_apt "$folder" update &&
      (cd "$folder" && private_apt "$folder" download "$@") &&
      printf '%s\0' "$folder"/*.deb | xargs -0 -I '{}' dpkg -x '{}' .
  } || status=$?
  rm -rf "$folder"
  return "$status"
}

# unpack_whole SUITE[/OTHER] PACKAGE…: unpacks packages with all that they depend on, the C library included, into the
# current folder. A package may be of suite OTHER, which wins.
unpack_whole() {
  local suites=$1 folder=$PWD/.packages suite status=0
  shift
  mkdir "$folder"
  for suite in ${suites/\// }; do
    debian_source "$suite" >>"$folder/sources.list"
  done
  {
    private_apt "$folder" update &&
      private_apt "$folder" -o Dir::State::status=/dev/null -o APT::Install-Recommends=false \
        -o APT::Default-Release="${suites#*/}" --yes --download-only install "$@" &&
      printf '%s\0' "$folder"/archives/*.deb | xargs -0 -I '{}' dpkg -x '{}' .
  } || status=$?
  rm -rf "$folder"
  return "$status"
}
