"""BENCHMARKS.md from the records of `make peers`: the same records give the same bytes. Needs nothing but Python.

usage: render.py RECORDS PAGE            writes the page
       render.py RECORDS PAGE --check    writes nothing; exit code 1 unless the page is what the records give
"""
import csv
import gzip
import json
import statistics
import sys
from pathlib import Path

# Benchmark, its title, peer, and how many times as fast featbench should be, where that was asked for.
COMPARISONS = [
    ("describe sift", "SIFT, 500 keypoints", "cv2 loop", 1.3),
    ("describe sift", "SIFT, 500 keypoints", "cv2 pool", 1.0),
    ("describe orb", "ORB, 500 keypoints", "cv2 loop", 1.3),
    ("describe orb", "ORB, 500 keypoints", "cv2 pool", 1.0),
    ("extract 224", "`resnet18-cntk` from JPEG, 224 px", "torchvision", 1.05),
    ("extract 224", "`resnet18-cntk` from JPEG, 224 px", "Pillow and NumPy", 1.05),
    ("extract 224", "`resnet18-cntk` from JPEG, 224 px", "network alone", 1.5),
    ("extract 224", "`resnet18-cntk` from JPEG, 224 px", "network alone in featbench", 0.93),
    ("extract 128", "`resnet18-cntk` from JPEG, 128 px", "torchvision", 1.2),
    ("extract 128", "`resnet18-cntk` from JPEG, 128 px", "Pillow and NumPy", 1.2),
    ("extract 128", "`resnet18-cntk` from JPEG, 128 px", "network alone", None),
    ("one image", "one decoded image to features, 224 px, one thread", "network alone", 1 / 0.7),
    ("one image", "one decoded image to features, 224 px, one thread", "network alone in featbench", 1 / 1.1),
    ("vocabulary", "vocabulary of 500 words", "MiniBatchKMeans", 1.0),
    ("svm 512", "linear SVM, one-vs-rest, 512 dimensions", "liblinear", None),
    ("svm 1024", "linear SVM, one-vs-rest, 1,024 dimensions", "liblinear", None),
]
TRAINING = [
    (f"step {network} {side}", f"a step of `{network}`, {side} px, batches of 32", peer, goal)
    for network in ("resnet18", "resnet18-cntk") for side in (128, 224)
    for peer, goal in (("PyTorch", 1.4), ("PyTorch channels_last", 1.3))
] + [
    ("finetune", "epochs of `resnet-finetuned-1cycle`, 128 px, from JPEG", "PyTorch", 1.3),
    ("finetune", "epochs of `resnet-finetuned-1cycle`, 128 px, from JPEG", "its steps alone", 1 / 1.1),
]
# One thread each; what was asked for is shares of the network's time.
ONE_IMAGE = [
    ("class dense-sift-fisher-svm", "`dense-sift-fisher-svm`", "network alone", 1 / 0.3),
    ("class dense-sift-fisher-svm", "`dense-sift-fisher-svm`", "OpenCV and NumPy", None),
    ("class handcrafted-best", "`handcrafted-best`", "network alone", 1 / 0.8),
    ("class handcrafted-fast", "`handcrafted-fast`", "network alone", 1 / 0.2),
    ("class handcrafted-fast grey", "`handcrafted-fast`, fitted on grey pictures", "network alone", 1 / 0.13),
]
VLFEAT = [
    ("vl dsift", "dense RootSIFT of 300 x 250, bins of 4, 6, 8, 12, step 4", "VLFeat", 2.0),
    ("vl fisher 64", "Fisher vector, 10,000 rows of 64, 64 Gaussians", "VLFeat", 3.0),
    ("vl fisher 128", "Fisher vector, 10,000 rows of 64, 128 Gaussians", "VLFeat", 3.0),
    ("vl fit 64", "k-means and 15 rounds of EM, 20,000 rows of 64, 64 Gaussians", "VLFeat", None),
    ("vl fit 128", "k-means and 15 rounds of EM, 20,000 rows of 64, 128 Gaussians", "VLFeat", None),
    ("vl vlad 64", "nearest words and VLAD, 10,000 rows of 64, 64 words", "VLFeat", None),
    ("vl hog", "HOG of 300 x 250, cells of 8", "VLFeat", None),
    ("vl lbp", "LBP of 300 x 250, cells of 25", "VLFeat", None),
]
# What differences are shares of, by benchmark.
AGREEMENT = [
    ("vl dsift", "RootSIFT without the root"), ("vl fisher 64", "Fisher vector without the part of the weights"),
    ("vl vlad 64", "VLAD"), ("vl hog", "HOG"),
]
LARGEST_GRADIENT_ERROR = 3e-5
LARGEST_MEMORY = 3 * 1024  # MiB
SLOWEST_SVM = 1.0  # seconds
LARGEST_INERTIA = 1.02  # of MiniBatchKMeans'


def read(path):
    compressed = path.with_suffix(".csv.gz")
    opened = gzip.open(compressed, "rt", newline="") if compressed.exists() else open(path, newline="")
    with opened as file:
        return list(csv.DictReader(file))


def number(value, digits=3):
    """As many significant digits, without an exponent."""
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])
    return f"{value:,.{max(digits - 1 - exponent, 0)}f}"


def quantile(values, p):
    """Between the two nearest samples, as featbench's own tables have it."""
    values, place = sorted(values), p * (len(values) - 1)
    below, above = values[int(place)], values[min(int(place) + 1, len(values) - 1)]
    return below + (above - below) * (place - int(place))


def table(head, rows):
    """Names of columns that begin with # are of numbers."""
    titles = [title.lstrip("#") for title in head]
    rule = ["--:" if title.startswith("#") else "---" for title in head]
    return "\n".join("| " + " | ".join(row) + " |" for row in [titles, rule, *rows])


def comparisons(rows, pairs):
    """One line a pair: medians as rates, and the ratio with the range of its samples taken at about the same time;
    nothing where no pair was measured."""
    lines = []
    for benchmark, title, peer, goal in pairs:
        of = lambda subject: [float(row["items"]) / float(row["seconds"]) for row in rows
                              if (row["benchmark"], row["subject"]) == (benchmark, subject)]
        ours, theirs = of("featbench"), of(peer)
        if not ours or not theirs:
            continue
        if benchmark.startswith(("one image", "class ")):
            # Single calls vary with their image; their medians are compared, not call by call.
            ratio, span = statistics.median(ours) / statistics.median(theirs), "–"
        else:
            ratios = [a / b for a, b in zip(ours, theirs)]
            ratio, span = statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"
        show = (seconds if benchmark.startswith(("svm", "vocabulary"))
                else milliseconds if benchmark.startswith(("vl ", "class ")) else rate)
        mark = "–" if goal is None else f"{goal:.2f} {'met' if ratio >= goal else 'missed'}"
        shown = [show(rates, rows, benchmark) for rates in (ours, theirs)]
        lines.append([title, peer, *shown, f"{ratio:.2f}", span, mark])
    head = ["what", "peer", "#featbench", "#peer", "#ratio", "#its samples", "#asked for"]
    return table(head, lines) if lines else ""


def rate(rates, rows, benchmark):
    return f"{number(statistics.median(rates))}/s"


def seconds(rates, rows, benchmark):
    items = next(float(row["items"]) for row in rows if row["benchmark"] == benchmark)
    return f"{number(items / statistics.median(rates))} s"


def milliseconds(rates, rows, benchmark):
    return f"{number(1e3 / statistics.median(rates))} ms"


def column(rows, benchmark, subject, key="check"):
    return [float(row[key]) for row in rows if (row["benchmark"], row["subject"]) == (benchmark, subject)]


def checks(rows):
    """What had to agree for the times to be of the same work."""
    of = lambda *names: column(rows, *names)
    lines = []
    for kind in ("sift", "orb"):
        for keypoints in of(f"describe {kind}", "featbench")[:1]:
            lines.append(f"- {kind.upper()}: {int(keypoints):,} keypoints, in every picture as many for all three.")
    ours, theirs = of("vocabulary", "featbench"), of("vocabulary", "MiniBatchKMeans")
    if ours and theirs:
        ratio = statistics.mean(ours) / statistics.mean(theirs)
        verdict = "met" if ratio <= LARGEST_INERTIA else "missed"
        lines.append(f"- Vocabulary: mean squared distance to the nearest word {statistics.mean(ours):.5f} against\n"
                     f"  {statistics.mean(theirs):.5f}, {ratio:.3f} of it (asked for: {LARGEST_INERTIA}, {verdict}).")
    for columns in ("512", "1024"):
        ours, theirs = of(f"svm {columns}", "featbench"), of(f"svm {columns}", "liblinear")
        if ours and theirs:
            slowest = max(of(f"svm {columns}", "featbench", "seconds"))
            verdict = "met" if slowest <= SLOWEST_SVM else "missed"
            lines.append(f"- SVM on {columns} dimensions: {ours[0]:.1%} of the training images right against "
                         f"{theirs[0]:.1%};\n"
                         f"  slowest fit {number(slowest)} s (asked for: {SLOWEST_SVM:.0f} s, {verdict}).")
    return "\n".join(lines)


def agreements(rows):
    """How far both sides' numbers are from one another where they are the same but for rounding."""
    lines = []
    for benchmark, what in AGREEMENT:
        for difference in column(rows, benchmark, "featbench")[:1]:
            lines.append(f"- {what}: {difference:.1e} of its length from VLFeat's.")
    for k in (64, 128):
        for less in column(rows, f"vl fit {k}", "featbench")[:1]:
            lines.append(f"- A mixture of {k} Gaussians: a row's logarithmic likelihood is {abs(less):.3f} "
                         f"{'lower' if less > 0 else 'higher'} than under VLFeat's.")
    return "\n".join(lines)


def training(rows):
    """Training beside PyTorch: times, then what else was asked for."""
    of = lambda benchmark, subject: column(rows, benchmark, subject)
    verdict = lambda met: "met" if met else "missed"
    lines = []
    for ours, theirs in zip(of("gradients resnet18", "featbench"), of("gradients resnet18", "PyTorch")):
        lines.append(f"- Gradients of `resnet18`, 64 px, 4 images: within {ours:.1e} of PyTorch's in 64 bits, as a\n"
                     f"  share of the largest of each tensor (asked for: {LARGEST_GRADIENT_ERROR:.0e}, "
                     f"{verdict(ours <= LARGEST_GRADIENT_ERROR)}); PyTorch's own\n"
                     f"  in 32 bits: {theirs:.1e}.")
    memory = "memory resnet18 224"
    for equal, smaller in zip(of(memory, "equal batches"), of(memory, "a smaller last batch")):
        lines.append(f"- Memory of training `resnet18`, 224 px, batches of 32: {equal:,.0f} MiB at most, and "
                     f"{smaller:,.0f} MiB where an\n"
                     f"  epoch's last batch is smaller (asked for: {LARGEST_MEMORY:,} MiB, "
                     f"{verdict(max(equal, smaller) < LARGEST_MEMORY)}).")
    ours, theirs = of("finetune", "featbench"), of("finetune", "PyTorch")
    if ours and theirs:
        lines.append(f"- Right in the last epoch, as its steps saw the images: {statistics.mean(ours):.1%} against "
                     f"{statistics.mean(theirs):.1%}.")
    return comparisons(rows, TRAINING), "\n".join(lines)


def scenarios(rows):
    """featbench's own loop: one image, batches, all images."""
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        of = lambda scenario, stage: [row for row in rows if (row["arm"], row["scenario"], row["stage"])
                                      == (arm, scenario, stage)]
        times = lambda stage: [float(row["milliseconds"]) for row in of("single", stage)]
        rate = lambda scenario, stage: number(statistics.median(
            float(row["images"]) / float(row["milliseconds"]) * 1e3 for row in of(scenario, stage)))
        total = times("total")
        p99 = number(quantile(total, 0.99)) if len(total) >= 662 else "–"
        lines.append([f"`{arm}`", f"{len(total)}", number(quantile(total, 0.5)), number(quantile(total, 0.9)), p99,
                      number(quantile(times("decoded"), 0.5)), rate("batch", "total"), rate("batch", "decoded"),
                      rate("offline", "total")])
    return table(["arm", "#images", "#p50, ms", "#p90, ms", "#p99, ms", "#p50 without decoding, ms",
                  "#batches, images/s", "#without decoding, images/s", "#all at once, images/s"], lines)


def stages(rows):
    names = ["decode", "resize", "describe", "infer", "encode", "classify"]
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        line = [f"`{arm}`"]
        for stage in names:
            times = [float(row["milliseconds"]) for row in rows
                     if (row["arm"], row["scenario"], row["stage"]) == (arm, "single", stage)]
            line.append(number(statistics.median(times), 2) if times else "–")
        lines.append(line)
    return table(["arm"] + [f"#{name}" for name in names], lines)


def page(records):
    environment = json.loads((records / "environment.json").read_text())
    rows = read(records / "peers.csv")
    ours = environment["featbench"]
    subject = f"the training images of {environment['dataset']}"
    if environment["dataset"] == "drawn":
        subject = "drawn pictures, which say little about photographs"
    commit = ours["commit"][:12] + (" with changes" if ours["dirty"] or environment["dirty"] else "")
    versions = ", ".join(f"{name} {version}" for name, version in sorted(environment["python"].items()))
    parts = [
        "# Benchmarks",
        "Rendered by `benches/peers/render.py` from the rows in [reports/benchmarks](reports/benchmarks), which\n"
        "`make peers` measures; every number can be computed again from there.",
        f"- {environment['date']}, commit {commit}, {ours['profile']}, {ours['rustc']}\n"
        f"- {ours['cpu']}, {ours['cores']} cores, {ours['memory_mib']:,} MiB, {ours['os']}; "
        f"load before the run {environment['load']}\n"
        f"- {environment['threads']} threads on {environment['images']:,} images: {subject}\n"
        f"- featbench: OpenCV {ours['opencv']}, ONNX Runtime {ours['onnxruntime']}\n"
        f"- Python: {versions}; threads by {', '.join(environment['python_threads'])}",
        "## Against Python",
        "Both sides take turns in one run and time the same work: from files to descriptors or features, reading and\n"
        "decoding included, libraries loaded and sessions open before the clock starts. A ratio above 1 means that\n"
        "featbench is faster. *cv2 loop* is one detector with OpenCV's own threads, *cv2 pool* a pool of threads with\n"
        "a detector each; *network alone* is ONNX Runtime with its own kernels on inputs that are ready, called from\n"
        "Python in batches of 32 (one image: singly); *in featbench* it is the network that featbench extracts with, in\n"
        "batches of 16. SVMs have the same C and the same loss.",
        comparisons(rows, COMPARISONS),
        checks(rows),
    ]
    one_image = comparisons(rows, ONE_IMAGE)
    if one_image:
        parts += [
            "### One image on one thread",
            "From decoded pixels of 300 x 250 to class, median of single images: arms as `featbench export` writes them, fitted\n"
            "on this data set; `resnet18-cntk` alone at 224 px in ONNX Runtime; *OpenCV and NumPy* is dense SIFT with a\n"
            "Fisher vector as somebody writes them in Python today (`benches/peers/handcrafted.py`).",
            one_image,
        ]
    beside_vlfeat = comparisons(rows, VLFEAT)
    if beside_vlfeat:
        parts += [
            "### Against VLFeat",
            f"VLFeat {environment['vlfeat']}, a C library as Debian ships it, one thread each, both on the same files: from\n"
            "numbers that are read to numbers. `benches/peers/vlfeat.c` says where one does more than the other.",
            beside_vlfeat,
            agreements(rows),
        ]
    steps, others = training(rows)
    if steps:
        parts += [
            "### Training",
            "All layers learn by SGD with momentum. Steps are taken on a batch that is ready, from the same weights, and\n"
            "lead to the same losses. featbench computes with its own kernels, PyTorch in its default memory format and in\n"
            "*channels_last*. An epoch reads, decodes, crops and mirrors its images; the epochs of a training count together.",
            steps,
            others,
        ]
    timed = records / environment["dataset"] / "time" / "time.csv"
    if timed.exists() or timed.with_suffix(".csv.gz").exists():
        times = read(timed)
        parts += [
            "## One image, batches, all images",
            "`featbench time`: one image on one thread; batches of 16, and all images at once, on all threads; from\n"
            "encoded bytes to class unless said otherwise.",
            scenarios(times),
            "Where the time of one image goes, median milliseconds:",
            stages(times),
        ]
    return "\n\n".join(parts) + "\n"


def main():
    records, target = Path(sys.argv[1]), Path(sys.argv[2])
    text = page(records)
    if "--check" not in sys.argv:
        target.write_text(text, newline="\n")
        return 0
    if target.exists() and target.read_bytes() == text.encode():
        print(f"{target}: what its records give")
        return 0
    print(f"{target}: not what its records give; `python3 benches/peers/render.py {records} {target}` renders it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
