"""featbench and its Python peers side by side: every comparison alternates between them in one run, checks that both
did the same work, and keeps every sample as a row.

usage: run.py [--data-dir FOLDER] [--threads N] [--epochs N] [--quick] [--only PART] [--out FOLDER] [--vlfeat PROGRAM]
Writes peers.csv, environment.json and the rows of `featbench time` into reports/benchmarks, and BENCHMARKS.md from
them; without the data set it draws pictures, says so, and writes into featbench-report/benchmarks instead.
"""
import argparse
import datetime
import gzip
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
import onnxruntime
import sklearn
import threadpoolctl

import handcrafted
import peers
import render
import vlfeat
from sides import Featbench, Record, alternate

if peers.torch is not None:
    import training

DATASET = "mini-natural-images"
ARMS = "sift-bovw-svm,orb-bovw-svm,resnet-frozen-svm"
KEYPOINTS = 500
WORDS = 500
SAMPLE = 200_000
SIDES = (224, 128)
NETWORK_IMAGES = 256  # of the network alone
SINGLE_IMAGES = 20  # of one round
FROZEN = {"kind": "network"}
BAG = {"kind": "local", "sample": SAMPLE, "descriptor": {"kind": "root-sift", "max_keypoints": KEYPOINTS},
       "codebook": [{"kind": "k-means", "words": [1024]}]}


def describing(featbench, record, rounds, threads):
    files = featbench.itself["images"]
    for kind in ("sift", "orb"):
        seen = {}

        def ours(sample):
            answer = featbench("describe", kind=kind, keypoints=KEYPOINTS)
            note("featbench", sample, answer["seconds"], answer["keypoints"])

        def peer(subject, pool):
            return lambda sample: note(subject, sample, *peers.describe(files, kind, KEYPOINTS, threads, pool))

        def note(subject, sample, seconds, counts):
            seen[subject] = counts
            assert counts == seen.get("featbench", counts), f"{subject} finds other keypoints than featbench"
            record.add(f"describe {kind}", subject, sample, len(files), seconds, sum(counts))

        alternate(rounds, [ours, peer("cv2 loop", False), peer("cv2 pool", True)])
        assert len(seen) == 3 and len({tuple(counts) for counts in seen.values()}) == 1, "other keypoints"


def extracting(featbench, record, rounds, threads, model, scratch):
    files = featbench.itself["images"]
    net = peers.session(model, threads)
    subject_of_peer = "Pillow and NumPy" if peers.torch is None else "torchvision"
    for side in SIDES:
        benchmark, rows = f"extract {side}", {}
        peers.network(net, side, peers.BATCH, 1)

        def ours(sample):
            answer = featbench("extract", input=side, out=str(scratch / "features"))
            rows["featbench"] = np.fromfile(scratch / "features", np.float32).reshape(len(files), -1)
            record.add(benchmark, "featbench", sample, len(files), answer["seconds"])

        def peer(sample):
            seconds, rows["peer"] = peers.extract(net, files, side)
            record.add(benchmark, subject_of_peer, sample, len(files), seconds)

        def network(sample):
            runs = peers.network(net, side, peers.BATCH, NETWORK_IMAGES // peers.BATCH)
            record.add(benchmark, "network alone", sample, NETWORK_IMAGES, sum(runs))

        def own_network(sample):
            answer = featbench("network", input=side, images=NETWORK_IMAGES)
            record.add(benchmark, "network alone in featbench", sample, NETWORK_IMAGES, answer["seconds"])

        alternate(rounds, [ours, peer, network, own_network])
        a, b = rows["featbench"], rows["peer"]
        cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosine.min() > 0.999, f"features of {side} px differ: cosine {cosine.min()}"


def one_image(featbench, record, rounds, model):
    net, side = peers.session(model, 1), SIDES[0]
    peers.network(net, side, 1, 3)
    seen = {}

    def note(subject, sample, seconds):
        for value in seconds:
            record.add("one image", subject, seen.setdefault(subject, 0), 1, value)
            seen[subject] += 1

    def ours(sample):
        answer = featbench("single", input=side, images=SINGLE_IMAGES)
        note("featbench", sample, answer["whole"])
        note("network alone in featbench", sample, answer["alone"])

    def network(sample):
        note("network alone", sample, peers.network(net, side, 1, SINGLE_IMAGES))

    alternate(rounds, [ours, network])


def clustering(featbench, record, rounds, scratch):
    path, out = str(scratch / "descriptors"), str(scratch / "centres")
    drawn = featbench("sample", keypoints=KEYPOINTS, sample=SAMPLE, out=path)
    columns = drawn["columns"]
    data = np.fromfile(path, np.float32).reshape(-1, columns)

    def ours(sample):
        answer = featbench("kmeans", data=path, columns=columns, words=WORDS, seed=sample, out=out)
        centres = np.fromfile(out, np.float32).reshape(-1, columns)
        record.add("vocabulary", "featbench", sample, len(data), answer["seconds"], peers.inertia(data, centres))

    def peer(sample):
        seconds, centres = peers.vocabulary(data, WORDS, sample)
        record.add("vocabulary", "MiniBatchKMeans", sample, len(data), seconds, peers.inertia(data, centres))

    alternate(rounds, [ours, peer])


def classifying(featbench, record, rounds, scratch):
    labels = np.array(featbench.itself["labels"])
    # C as selection chooses it for these features.
    for name, features, c in (("512", FROZEN, 0.001), ("1024", BAG, 3.0)):
        path = str(scratch / name)
        columns = featbench("vectors", features=features, input=SIDES[0], out=path)["columns"]
        x = np.fromfile(path, np.float32).reshape(-1, columns)
        if features is FROZEN:
            x = ((x - x.mean(0)) / np.maximum(x.std(0), 1e-6)).astype(np.float32)
            x.tofile(path)

        def ours(sample):
            answer = featbench("svm", data=path, columns=columns, c=c)
            note("featbench", sample, answer["seconds"], np.array(answer["predicted"]))

        def peer(sample):
            note("liblinear", sample, *peers.svm(x, labels, c))

        def note(subject, sample, seconds, predicted):
            record.add(f"svm {columns}", subject, sample, len(x), seconds, float((predicted == labels).mean()))

        alternate(rounds, [ours, peer])


def environment(arguments, featbench, load):
    git = lambda *command: subprocess.run(["git", *command], capture_output=True, text=True).stdout.strip()
    versions = {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__,
                "scikit-learn": sklearn.__version__, "pillow": peers.Image.__version__,
                "python": platform.python_version()}
    if peers.torch is not None:
        versions["torch"] = peers.torch.__version__
    blas = sorted({f"{pool['internal_api']} {pool.get('architecture', '')}".strip() for pool in
                   threadpoolctl.threadpool_info()})
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "dataset": featbench.itself["dataset"],
        "images": len(featbench.itself["images"]),
        "epochs": arguments.epochs,
        "threads": arguments.threads,
        "load": round(load, 2),
        "dirty": bool(git("status", "--porcelain", "--", "src", "benches", "Cargo.lock")),
        "python": versions,
        "python_threads": blas,
        "featbench": featbench.itself["environment"],
    } | ({"vlfeat": vlfeat.Vlfeat(arguments.vlfeat).version()} if arguments.vlfeat else {})


def known_to(arguments, itself):
    """The options that name the data set."""
    # Drawn pictures by their folder: another registered data set may be here.
    known = ["--dataset", itself["folder"] if itself["dataset"] == "drawn" else itself["dataset"]]
    return known + (["--data-dir", arguments.data_dir] if arguments.data_dir else [])


def scenarios(arguments, itself, out):
    """featbench's own loop, in a process of its own; its rows are kept compressed."""
    dataset = itself["dataset"]
    images = ["--images", "40"] if arguments.quick else []
    settings = ["--arms", ARMS, "--threads", str(arguments.threads), "--out", out]
    subprocess.run(["cargo", "run", "--quiet", "--", "time", *settings, *known_to(arguments, itself), *images], check=True)
    plain = out / dataset / "time" / "time.csv"
    if plain.exists():  # else there was a compressed one, whose place the new one took
        # Neither time nor file name in the header: the same rows give the same bytes.
        plain.with_suffix(".csv.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2, help="of the training that is timed")
    parser.add_argument("--quick", action="store_true", help="two rounds of everything")
    parser.add_argument("--only", default="", help="the part whose title begins so, beside the committed records")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--vlfeat", default="", help="the program that vlfeat.c is")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the load of this machine is {load:.2f}: these will be times of a busy machine")
    featbench = Featbench(DATASET, arguments.data_dir, arguments.threads)
    dataset = featbench.itself["dataset"]
    if dataset == "drawn":
        print(f"{DATASET} is not here: comparing on drawn pictures, which say little about photographs")
    aside = dataset == "drawn" or arguments.quick or arguments.only
    place = "featbench-report/benchmarks" if aside else "reports/benchmarks"
    out = arguments.out or Path(place)
    page = Path("BENCHMARKS.md") if out == Path("reports/benchmarks") else out / "BENCHMARKS.md"
    out.mkdir(parents=True, exist_ok=True)
    described = environment(arguments, featbench, load)
    (out / "environment.json").write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")
    compare(arguments, featbench, out)
    featbench.end()
    if not arguments.only:
        scenarios(arguments, featbench.itself, out)
    page.write_text(render.page(out), newline="\n")
    print(f"\n{page.read_text()}\n{page}")


def compare(arguments, featbench, out):
    """All comparisons, one after the other; what is done is on disk after each."""
    record, threads = Record(), arguments.threads
    rounds = (lambda n: 2) if arguments.quick else (lambda n: n)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        model = str(scratch / "model.onnx")
        featbench("model", out=model)
        parts = [
            ("keypoints and descriptors", lambda: describing(featbench, record, rounds(3), threads)),
            ("network, one image", lambda: one_image(featbench, record, rounds(6), model)),
            ("network, all images", lambda: extracting(featbench, record, rounds(3), threads, model, scratch)),
            ("vocabulary", lambda: clustering(featbench, record, rounds(3), scratch)),
            ("SVM", lambda: classifying(featbench, record, rounds(5), scratch)),
        ]
        known = known_to(arguments, featbench.itself)
        alone = lambda: handcrafted.compare(featbench, known, model, record, rounds(3), scratch)
        parts.append(("handcrafted, one image", alone))
        if arguments.vlfeat:
            parts.append(("VLFeat", lambda: vlfeat.compare(arguments.vlfeat, featbench, record, rounds(5), scratch)))
        if peers.torch is not None:
            fresh = lambda: Featbench(DATASET, arguments.data_dir, threads)
            parts += training.parts(featbench, fresh, record, rounds, arguments, scratch)
        parts = [part for part in parts if part[0].startswith(arguments.only)]
        for i, (title, part) in enumerate(parts):
            print(f"[{i + 1}/{len(parts) + 1}] {title}", flush=True)
            part()
            record.write(out / "peers.csv")
        print(f"[{len(parts) + 1}/{len(parts) + 1}] one image, batches, all images", flush=True)


if __name__ == "__main__":
    main()
