#!/bin/sh
# Make the virtual environment $1 with a Python that Senses runs on: one of this machine, or one that uv downloads.
# It is kept if `make` has finished it in this folder, which $1/.installed names, and its Python fits; else replaced.
# It is a shell script because there may be no Python yet. Two variables change what it does: PYTHON is then the only
# Python it tries, and tests set SETUP_ROOT, below which it looks into the usual places.
set -eu

venv=$1
root=${SETUP_ROOT:-}
home=${HOME:-}
versions="3.12 3.11 3.13 3.14" # in the order of preference: misaki, which reads English for Kokoro, ends at 3.12
system=$(uname -s)
needed="it needs Python 3.11 to 3.14"
remedy="Install Python 3.12 with your package manager, such as \`sudo apt install python3.12-venv\`."
if [ "$system" = Darwin ]; then
  needed="$needed for arm64"
  remedy="Type \`brew install python@3.12\`, or install Python 3.12 from python.org."
fi

refuse() {
  echo "Senses cannot be set up: $1" >&2
  exit 1
}

# uname answers for the process, and sysctl for the machine: an Intel shell on Apple silicon runs under Rosetta.
check_machine() {
  [ "$system" != Linux ] || return 0
  [ "$system" = Darwin ] || refuse "it runs on macOS and Linux, and this is $system."
  [ "$("$root/usr/sbin/sysctl" -n hw.optional.arm64 2>/dev/null)" = 1 ] ||
    refuse "its libraries exist for Macs with Apple silicon only, and this Mac has an Intel processor."
  [ "$(uname -m)" = arm64 ] ||
    refuse "this shell is an Intel program under Rosetta. Type \`arch -arm64 zsh\`, then the same command again."
  release=$(sw_vers -productVersion)
  [ "${release%%.*}" -ge 14 ] ||
    refuse "macOS $release is too old, and 14 is needed. Type \`softwareupdate --list\`, and install a newer macOS."
}

# Print the version and the processor of a Python, such as "3.12 arm64"; nothing if it does not run.
describe() {
  "$1" -c 'import platform, sys; print("%d.%d" % sys.version_info[:2], platform.machine())' 2>/dev/null || true
}

fits() {
  description=$(describe "$1")
  case " $versions " in *" ${description% *} "*) ;; *) return 1 ;; esac
  [ "$system" != Darwin ] || [ "${description#* }" = arm64 ]
}

# Print where Pythons may be: on the PATH, and in the folders of Homebrew, python.org and `uv python install`.
candidates() {
  for version in $versions; do
    command -v "python$version" || true
    for folder in "$root/opt/homebrew/bin" "$root/opt/homebrew/opt/python@$version/bin" "$root/usr/local/bin" \
      "$root/Library/Frameworks/Python.framework/Versions/$version/bin" "$home/.local/bin"; do
      echo "$folder/python$version"
    done
  done
  command -v python3 || true
}

# Print the first Python that fits.
find_python() {
  while IFS= read -r candidate; do
    if fits "$candidate"; then
      echo "$candidate"
      return
    fi
  done <<CANDIDATES
${PYTHON:-$(candidates)}
CANDIDATES
}

# Print where uv is; fail if there is none.
find_uv() {
  for uv in "$(command -v uv || true)" "$home/.local/bin/uv" "$root/opt/homebrew/bin/uv"; do
    if [ -x "$uv" ]; then
      echo "$uv"
      return
    fi
  done
  return 1
}

# The Python 3.9 of Apple's command line tools is too old for Senses, but its pip installs uv.
borrow_uv() {
  python3 -m venv "$1" >/dev/null 2>&1 && "$1/bin/python" -m pip install --quiet --disable-pip-version-check uv >&2 &&
    echo "$1/bin/uv"
}

make_with_uv() {
  borrowed=$(mktemp -d)
  trap 'rm -rf "$borrowed"' EXIT
  uv=$(find_uv) || uv=$(borrow_uv "$borrowed") || return 1
  request=3.12
  [ "$system" != Darwin ] || request=cpython-3.12-macos-aarch64 # an Intel uv would bring an Intel Python
  "$uv" venv --quiet --seed --managed-python --python "$request" "$venv"
}

check_machine
if [ "$(cat "$venv/.installed" 2>/dev/null)" = "$(pwd -P)" ] && fits "$venv/bin/python"; then exit 0; fi
if [ -e "$venv" ] || [ -L "$venv" ]; then
  echo "Replacing $venv: its set-up did not finish, it was moved, or its Python is gone or the wrong one."
  rm -rf "$venv"
fi
python=$(find_python)
if [ -n "$python" ]; then
  "$python" -m venv "$venv"
elif [ -n "${PYTHON:-}" ]; then
  refuse "PYTHON is $PYTHON ($(describe "$PYTHON")), and $needed. Type \`make setup\` without PYTHON."
elif ! make_with_uv; then
  refuse "$needed, but neither this machine nor uv has one. $remedy"
fi
