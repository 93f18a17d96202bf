#!/usr/bin/env bash
# Brings what a bare Debian or Ubuntu machine lacks, inside the project folder: uv in .uv/, everything else in .venv/.
# It says what it does on the standard error stream and nothing when there is nothing to do. System packages are installed
# only as root: what makes Python environments where it is missing, and the libraries of gmsh, without which its tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "bootstrap: $*" >&2; }

die() {
  say "$@"
  exit 1
}

find_python() {
  local name
  for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      "$name" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  die "jno needs Python 3.11 or newer, and none was found. As root: apt-get install -y python3"
}

# Debian ships venv without ensurepip, which is in the package python3-venv.
can_make_environments() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

has_pip() { "$python" -m pip --version >/dev/null 2>&1; }

install_venv_package() {
  local package
  package=$("$python" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "uv is missing, and $python has neither venv nor pip to fetch it. As root: apt-get install -y $package"
  fi
  say "installing $package with apt"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2
}

install_uv() {
  can_make_environments || has_pip || install_venv_package
  say "installing uv into .uv/"
  rm -rf .uv
  if can_make_environments; then
    "$python" -m venv .uv
    .uv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
  else
    # A target folder of its own is not the system's environment, which PEP 668 protects.
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .uv uv >&2
  fi
}

# gmsh loads these libraries, and they are no Python packages. Without them everything but gmsh works.
install_gmsh_libraries() {
  .venv/bin/python - <<'PYTHON' 2>/dev/null && return
import ctypes

for name in ("GLU.so.1", "GL.so.1", "Xcursor.so.1", "Xft.so.2", "Xinerama.so.1", "gomp.so.1"):
    ctypes.CDLL(f"lib{name}")
PYTHON
  local packages="libglu1-mesa libgl1 libxcursor1 libxft2 libxinerama1 libgomp1"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "libraries of gmsh are missing; its tests are skipped. As root: apt-get install -y $packages"
    return
  fi
  say "installing the libraries of gmsh with apt"
  # shellcheck disable=SC2086
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2; then
    say "that failed; the tests of gmsh are skipped. As root: apt-get install -y $packages"
  fi
}

# Another project's active environment or settings must not decide where this one goes.
unset VIRTUAL_ENV
export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never
# Behind a company's proxy only the machine's own certificates work; where it has none, uv brings some.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

uv=$(command -v uv || echo .uv/bin/uv)
if ! "$uv" --version >/dev/null 2>&1; then
  python=$(find_python)
  install_uv
  uv=.uv/bin/uv
fi
# A home folder that cannot be written to leaves the cache to the project.
mkdir -p "$("$uv" cache dir)" 2>/dev/null || export UV_CACHE_DIR=$PWD/.uv/cache
if .venv/bin/python --version >/dev/null 2>&1; then
  python=.venv/bin/python
else
  python=${python:-$(find_python)}
  say "installing jno and its tools into .venv/ (a few minutes the first time)"
fi
"$uv" sync --quiet --frozen --all-packages --all-groups --python "$python"
install_gmsh_libraries
# uv compiles no editable source; without this the first import of every module would pay for it.
.venv/bin/python -m compileall -q jno_core/src jno_plugin_*/src plugins/*/src
