#!/usr/bin/env bash
# The Python peers in an environment of their own in the user's data folder, VLFeat's program beside it, then the
# comparison. Arguments go to run.py.
#
#   TORCH=1   also torch and torchvision (a download of 3 GB)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=benches/peers
data=${XDG_DATA_HOME:-${HOME:?is not set, so there is no place for the Python peers}/.local/share}/featbench
environment=$data/peers
requirements=("$here/requirements.txt")
if [ "${TORCH:-}" = 1 ]; then
    environment=$environment-torch
    requirements+=("$here/requirements-torch.txt")
fi

if ! cat "${requirements[@]}" | cmp -s - "$environment/requirements.txt"; then
    echo "peers: installing ${requirements[*]} into $environment"
    python3 -m venv --clear "$environment" || {
        echo "peers: python3 can't make an environment there; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
    "$environment/bin/python" -m pip --disable-pip-version-check install --quiet "${requirements[@]/#/--requirement=}"
    cat "${requirements[@]}" >"$environment/requirements.txt"
fi

vlfeat=()
if echo '#include <vl/dsift.h>' | "${CC:-cc}" -E - >/dev/null 2>&1; then
    "${CC:-cc}" -O2 -ffp-contract=off -o "$data/vlfeat" $here/vlfeat.c -lvl -lm
    vlfeat=(--vlfeat "$data/vlfeat")
else
    echo "peers: without VLFeat, whose headers are not here; on Debian: apt-get install libvlfeat-dev" >&2
fi
exec "$environment/bin/python" $here/run.py "${vlfeat[@]}" "$@"
