#!/usr/bin/env bash
# Brings what a bare Debian or Ubuntu machine lacks, inside the project folder: uv in .uv/, everything else in .venv/.
# System packages are asked of apt only when Python's own venv module is missing, and only as root.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
  for name in python3 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "jno needs Python 3.11 or newer, and none was found:  apt-get install -y python3" >&2
  exit 1
}

have_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

python=$(find_python)
if command -v uv >/dev/null; then
  uv=uv
else
  if [ ! -x .uv/bin/uv ]; then
    if ! have_venv "$python"; then
      if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing python3-venv with apt ..." >&2
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >&2
      fi
      if ! have_venv "$python"; then
        echo "Python's venv module is missing; as root:  apt-get install -y python3-venv" >&2
        exit 1
      fi
    fi
    echo "Installing uv into .uv/ ..." >&2
    "$python" -m venv .uv
    .uv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
  fi
  uv=$PWD/.uv/bin/uv
fi

export UV_PYTHON_DOWNLOADS=never
[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
"$uv" sync --quiet --frozen --all-packages --all-groups
echo "$uv"
