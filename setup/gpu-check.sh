#!/usr/bin/env bash
# The acceptance of CUDA on a machine with an NVIDIA GPU, in under ten minutes: one row a figure, `ok`, `FAIL` or `not run`.
#
#   setup/gpu-check.sh [FOLDER]    keeps the records and rows.tsv in FOLDER [default: gpu-check]
#
# Wants what `make setup` installs. FEATBENCH names a program that is built already; PyTorch is measured beside where
# python3 (or PYTHON) has it with CUDA. Exit code 1 where a row says FAIL.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-gpu-check}
python=${PYTHON:-python3}
featbench=${FEATBENCH:-}
failed=0
mkdir -p "$out" && : >"$out/rows.tsv" || exit 2

row() { # state, figure, value
    [ "$1" != FAIL ] || failed=1
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$out/rows.tsv"
    printf '%-8s %-46s %s\n' "$1" "$2" "$3"
}

if [ -z "$featbench" ]; then
    (cd "$here" && cargo build --quiet) || exit 2
    featbench=${CARGO_TARGET_DIR:-$here/target}/debug/featbench
fi
doctor=$("$featbench" doctor 2>/dev/null | grep '  CUDA  ')
cuda=$(sed 's/^..  CUDA *//' <<<"$doctor")
case "$doctor" in
"ok "*"not used"*)
    for figure in "CUDA starts, features as the CPU's" "nodes of the network" "accuracy of frozen features" "images a second, features" \
        "images a second, features in f16" "loss of 20 training steps" "images a second, training" \
        "images a second, features, PyTorch" "images a second, training, PyTorch"; do
        row "not run" "$figure" "$cuda"
    done
    exit 0
    ;;
"" | NO*)
    row FAIL "CUDA starts, features as the CPU's" "${cuda:-the doctor says nothing of it}"
    exit 1
    ;;
esac
# the doctor has run a network on both: features are apart by 1e-3 of the largest at most
row ok "CUDA starts, features as the CPU's" "$cuda"

# 640 drawn images are 20 steps of 32
images=procedural,classes=8,train=80,val=8,test=40
sed -e 's/^name = .*/name = "twenty-steps"/' -e 's/^epochs = .*/epochs = 1/' "$here/arms/resnet-finetuned-1cycle.toml" \
    >"$out/twenty-steps.toml"
run() { # folder, then options
    local folder=$1
    shift
    "$featbench" measure --dataset $images --form standard --input 224 --out "$out/$folder" "$@" >"$out/$folder.log" 2>&1 ||
        row FAIL "measuring ($folder)" "$(tail -n 1 "$out/$folder.log")"
}
arms=resnet-frozen-svm,$out/twenty-steps.toml
run cpu --device cpu --arms "$arms"
run cuda --device cuda --arms "$arms"
run cuda-f16 --device cuda --precision f16 --arms resnet-frozen-svm

# What the records say: state, figure, value.
"$python" - "$out" >"$out/found.tsv" <<'PY'
import csv, glob, gzip, sys

def table(folder, name):
    for path in glob.glob(f"{sys.argv[1]}/{folder}/**/{name}*", recursive=True):
        with (gzip.open if path.endswith("gz") else open)(path, "rt") as file:
            yield from csv.DictReader(file)

def rows(folder):
    runs = {row["run_id"]: row for row in table(folder, "runs.csv") if row["status"] == "ok"}
    right = {}
    for row in table(folder, "predictions.csv"):
        right.setdefault(row["run_id"], []).append(row["truth"] == row["predicted"])
    infer = {}
    for row in table(folder, "timings.csv"):
        if (row["scenario"], row["stage"]) == ("offline", "total"):
            infer[row["run_id"]] = 1000 * float(row["images"]) / float(row["milliseconds"])
    epochs = {row["run_id"]: row for row in table(folder, "epochs.csv") if row["training"] == "train"}
    return {row["arm"]: (row, 100 * sum(right.get(i, [0])) / max(1, len(right.get(i, []))), infer.get(i), epochs.get(i))
            for i, row in runs.items()}

def say(state, figure, value):
    print(state, figure, value, sep="\t")

cpu, cuda, half = map(rows, ("cpu", "cuda", "cuda-f16"))
frozen, trained = "resnet-frozen-svm", "twenty-steps"
if frozen in cpu and frozen in cuda:
    device = cuda[frozen][0]["device"]
    say("ok" if "cpu" not in device.lower() else "FAIL", "nodes of the network", device)
    apart = abs(cpu[frozen][1] - cuda[frozen][1])
    say("ok" if apart <= 0.5 else "FAIL", "accuracy of frozen features", f"{cuda[frozen][1]:.2f} %, CPU {cpu[frozen][1]:.2f} %")
    if cuda[frozen][2] and cpu[frozen][2]:
        say("ok", "images a second, features", f"{cuda[frozen][2]:.0f}, CPU {cpu[frozen][2]:.0f}")
if frozen in half and frozen in cuda:
    apart = abs(half[frozen][1] - cuda[frozen][1])
    rate = f", {half[frozen][2]:.0f} a second" if half[frozen][2] else ""
    say("ok" if apart <= 1 else "FAIL", "images a second, features in f16", f"{half[frozen][1]:.2f} %{rate}")
if trained in cpu and trained in cuda and cpu[trained][3] and cuda[trained][3]:
    a, b = (float(found[trained][3]["train_loss"]) for found in (cpu, cuda))
    say("ok" if abs(a - b) <= 0.01 * a else "FAIL", "loss of 20 training steps", f"{b:.5f}, CPU {a:.5f}")
    rates = [float(found[trained][3]["train_n"]) / float(found[trained][3]["train_s"]) for found in (cuda, cpu)]
    say("ok", "images a second, training", f"{rates[0]:.0f}, CPU {rates[1]:.0f} (pictures included)")
PY
[ -s "$out/found.tsv" ] || row FAIL "records" "nothing was recorded: see $out/*.log"

"$python" - >>"$out/found.tsv" 2>/dev/null <<'PY' || printf 'not run\timages a second, PyTorch\t%s has no PyTorch with CUDA\n' "$python" >>"$out/found.tsv"
import time
import torch
import torchvision

assert torch.cuda.is_available()
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
model = torchvision.models.resnet18(num_classes=8).cuda()

def rate(batch, step):
    for count in (5, 30):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(count):
            step()
        torch.cuda.synchronize()
    return batch * count / (time.perf_counter() - begun)

few, many = torch.randn(16, 3, 224, 224).cuda(), torch.randn(32, 3, 224, 224).cuda()
labels = torch.arange(32).cuda() % 8
optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

def train():
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(model(many), labels).backward()
    optimiser.step()

trained = rate(32, train)
model.eval()
with torch.no_grad():
    print("ok", "images a second, features, PyTorch", f"{rate(16, lambda: model(few).cpu()):.0f} (torchvision's resnet18)", sep="\t")
print("ok", "images a second, training, PyTorch", f"{trained:.0f} (torchvision's resnet18, no pictures)", sep="\t")
PY
while IFS=$'\t' read -r state figure value; do row "$state" "$figure" "$value"; done <"$out/found.tsv"
exit $failed
