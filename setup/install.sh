#!/usr/bin/env bash
# Installs what featbench needs and does not find: OpenCV and clang from the distribution, the ONNX Runtime library
# from its wheel into the user's data folder. Changes nothing that is already there.
#
#   CUDA=1    also the library with its CUDA provider (the default where an NVIDIA driver answers); CUDA=0 never
#   PEERS=1   also VLFeat's C library, which featbench is only measured against
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${XDG_DATA_HOME:-${HOME:?is not set, so there is no place for the ONNX Runtime library}/.local/share}/featbench
pins=$here/onnxruntime.txt
cuda_pins=$here/onnxruntime-cuda.txt

say() { echo "setup: $*"; }
stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

check_rust() {
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/../Cargo.toml")
    have rustc && have cargo || stop "no Rust found; $needed or newer is needed: see https://rustup.rs," \
        "or, if it was installed just now: . \"\$HOME/.cargo/env\""
    found=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$needed" "${found%%-*}" | sort -V | head -n 1)" = "$needed" ] ||
        stop "found Rust $found, $needed or newer is needed: rustup update stable"
    say "Rust $found is there"
}

# The same places that the build asks: pkg-config for OpenCV, LIBCLANG_PATH and the library folders for libclang.
have_opencv() { [ -n "${OPENCV_LINK_LIBS:-}" ] || pkg-config --exists opencv4 2>/dev/null; }
have_libclang() {
    local folders=(/usr/lib /usr/lib64 /usr/lib/*-linux-gnu /usr/lib*/llvm*/lib /usr/local/lib /usr/local/llvm*/lib*)
    [ -n "${LIBCLANG_PATH:-}" ] ||
        [ -n "$(find "${folders[@]}" -maxdepth 1 -name 'libclang[.-]*so*' ! -name 'libclang-cpp*' 2>/dev/null)" ]
}

# Without apt-get the comparison goes without it.
wants_vlfeat() {
    [ "${PEERS:-}" = 1 ] && have apt-get && ! echo '#include <vl/dsift.h>' | "${CC:-cc}" -E - >/dev/null 2>&1
}

needs_wheels() {
    [ ! -f "${ORT_DYLIB_PATH:-}" ] || return 1
    ! is_unpacked "$data" "$pins" || { [ $cuda = yes ] && ! is_unpacked "$data/cuda" "$cuda_pins"; }
}

# Debian's names of what is missing.
missing_packages() {
    have c++ || echo g++
    have_opencv || echo libopencv-dev
    have clang && have_libclang || echo clang libclang-dev
    ! wants_vlfeat || echo libvlfeat-dev
    ! needs_wheels || python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
}

install_packages() {
    local root=() packages=("$@")
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    have apt-get || stop "not found here, and there is no apt-get to install it with: ${packages[*]} (Debian's names)" \
        "install what they hold (OpenCV 4 with headers, clang, libclang, pip) and run this again"
    "${root[@]}" true 2>/dev/null ||
        stop "this needs root: ask for these packages, then run it again:" "    apt-get install ${packages[*]}"
    say "installing ${packages[*]} with apt-get"
    "${root[@]}" apt-get update -qq </dev/null &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq -y --no-install-recommends "${packages[@]}" </dev/null >/dev/null ||
        stop "apt-get could not get or install: ${packages[*]}" "its words are above; without a network, install them by hand"
}

# Whether a folder holds all that was unpacked from these pins. CUDA's gigabytes are not read again.
is_unpacked() {
    local folder=$1 pins=$2
    cmp -s "$pins" "$folder/$(basename "$pins")" && [ -f "$folder/SHA256SUMS" ] || return 1
    if [ "$folder" = "$data" ]; then
        (cd "$folder" && sha256sum --check --status SHA256SUMS 2>/dev/null)
    else
        (cd "$folder" && cut -c 67- SHA256SUMS | xargs ls >/dev/null 2>&1)
    fi
}

# Downloads the wheels of a file of pins, for Python 3.11 whatever is installed here, and unpacks their libraries.
unpack() {
    local folder=$1 pins=$2 what=$3 quiet=() platforms=() platform
    [ -t 1 ] || quiet=(--quiet)
    for platform in manylinux_2_28 manylinux_2_27 manylinux2014; do
        platforms+=(--platform "${platform}_$(uname -m)")
    done
    mkdir -p "$folder" 2>/dev/null && temporary=$(mktemp -d "$folder/.wheels-XXXXXX" 2>/dev/null) ||
        stop "can't write to $folder: make it writable, or name another data folder in XDG_DATA_HOME"
    trap 'rm -rf "$temporary"' EXIT
    trap 'exit 1' INT TERM
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip --disable-pip-version-check "${quiet[@]}" download --no-deps --require-hashes \
        --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 "${platforms[@]}" --retries 2 \
        --dest "$temporary" --requirement "$pins" </dev/null ||
        stop "pip could not get $what as setup/$(basename "$pins") pins it; its words are above" \
            "without a network: put a libonnxruntime.so of that version anywhere and name it in ORT_DYLIB_PATH"
    python3 "$here/unpack.py" "$folder" "$temporary"/*.whl || stop "nothing was changed in $folder"
    cp "$pins" "$temporary/" && mv "$temporary/$(basename "$pins")" "$folder/"
    is_unpacked "$folder" "$pins" || stop "$folder is not complete after unpacking: is the disk full?"
    rm -rf "$temporary"
}

install_library() {
    local folder=$1 pins=$2 what=$3 size=$4
    if is_unpacked "$folder" "$pins"; then
        say "$what is there ($folder)"
    else
        check_platform
        say "unpacking $what into $folder (a download of $size)"
        unpack "$folder" "$pins" "$what"
        say "$what is there, verified"
    fi
}

check_platform() {
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) stop "no ONNX Runtime library is pinned for $(uname -s) on $(uname -m):" \
        "get version 1.24 or newer yourself and name the file in ORT_DYLIB_PATH" ;;
    esac
}

# Version of the NVIDIA driver; `unknown` where only its library is seen, nothing without one.
driver_version() {
    local found
    found=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) ||
        found=$(sed -n 's/^NVRM version:.* \([0-9]\+\.[0-9.]\+\) .*/\1/p' /proc/driver/nvidia/version 2>/dev/null) ||
        found=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | sed -n 's/.*libcuda\.so\.1 .*/unknown/p' | head -n 1)
    echo "$found"
}

# Sets `cuda` to yes or no. What speaks against it stops the set-up where CUDA was asked for, and is said otherwise.
decide_cuda() {
    local driver against=
    cuda=no
    driver=$(driver_version)
    case "${CUDA:-}" in
    1 | yes) cuda=yes ;;
    "") [ -z "$driver" ] || cuda=yes ;;
    esac
    [ $cuda = yes ] || return 0
    [ "$(uname -m)" = x86_64 ] || against="the CUDA provider is pinned for x86_64 only"
    case "$driver" in
    "") say "no NVIDIA driver answers here: the CUDA libraries are unpacked but can't be used" ;;
    unknown) ;;
    *) [ "${driver%%.*}" -ge 580 ] || against="NVIDIA driver $driver is too old for CUDA 13, which wants 580 or newer" ;;
    esac
    [ -n "$against" ] || return 0
    [ -z "${CUDA:-}" ] || stop "$against: run it with CUDA=0"
    say "$against: without CUDA"
    cuda=no
}

check_rust
decide_cuda
read -ra packages <<<"$(missing_packages | xargs)"
if [ ${#packages[@]} -gt 0 ]; then
    install_packages "${packages[@]}"
fi
say "OpenCV $(pkg-config --modversion opencv4 2>/dev/null || echo 'as OPENCV_LINK_LIBS says') and libclang are there"
if [ -f "${ORT_DYLIB_PATH:-}" ]; then
    say "ONNX Runtime is the file that ORT_DYLIB_PATH names ($ORT_DYLIB_PATH)"
    exit 0
fi
version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' "$pins")
install_library "$data" "$pins" "ONNX Runtime $version" "27 MB"
if [ $cuda = yes ]; then
    install_library "$data/cuda" "$cuda_pins" "ONNX Runtime with CUDA" "1.5 GB"
fi
