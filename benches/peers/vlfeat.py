"""VLFeat's C library as a peer, through the program that vlfeat.c is: dense SIFT, encodings, mixtures, HOG and LBP, one
thread each. The head of vlfeat.c says what a subject of featbench has to do for each of these benchmarks; it gets
the same files, and its turn beside `theirs` in `alternate`.
"""
import subprocess

import cv2
import numpy as np

from sides import alternate

SUBJECT = "VLFeat"
SIZE = (300, 250)
BINS = ("4", "6", "8", "12")
STEP = "4"
HOG_CELL, LBP_CELL = "8", "16"
D = 64  # of rows to encode, after PCA
N = 10_000  # rows of one picture
GAUSSIANS = (64, 128)
WORDS = 64
OTHERS = 8  # pictures that PCA and mixtures are learned from
LEARNED = 20_000  # their rows
RUNS = 20  # of one sample; EM: 3
EM_ITERATIONS = 10


class Vlfeat:
    def __init__(self, program):
        self.program = program

    def __call__(self, *arguments):
        """Milliseconds, the median of the runs."""
        answer = subprocess.run([self.program, *map(str, arguments)], check=True, capture_output=True, text=True)
        return float(answer.stdout)

    def version(self):
        answer = subprocess.run([self.program, "version"], check=True, capture_output=True, text=True)
        return answer.stdout.splitlines()[0]


def write(path, *arrays):
    np.concatenate([np.asarray(array, np.float32).ravel() for array in arrays]).tofile(path)
    return path


def picture(file, path):
    """A grey picture of 300 x 250 with values in [0, 1], as the program and featbench read it."""
    grey = cv2.resize(cv2.imread(file, cv2.IMREAD_GRAYSCALE), SIZE, interpolation=cv2.INTER_AREA)
    return write(path, grey / np.float32(255))


def dense(vlfeat, picture, out, runs=1):
    """Milliseconds of dense SIFT at all sizes; the descriptors go to `out`."""
    return vlfeat("dsift", picture, *SIZE, STEP, "flat", runs, out, *BINS)


class Inputs:
    """Files of what is to be encoded: RootSIFT rows of one picture after PCA, and mixtures of those of other pictures.
    Real descriptors, because VLFeat leaves out posteriors that are nearly 0, and how many are depends on the data."""

    def __init__(self, vlfeat, files, scratch):
        rng = np.random.default_rng(0)
        self.scratch = scratch
        self.picture = picture(files[0], scratch / "vl-picture")
        one = self.described(vlfeat, self.picture, N, rng)
        others = [self.described(vlfeat, picture(file, scratch / "vl-other"), LEARNED // OTHERS, rng)
                  for file in (files[1 + i * (len(files) - 1) // OTHERS] for i in range(OTHERS))]
        learned = np.concatenate(others)
        mean = learned.mean(0)
        axes = np.linalg.eigh(np.cov(learned, rowvar=False))[1][:, ::-1][:, :D]
        self.rows = write(scratch / "vl-rows", (one - mean) @ axes)
        learned = (learned - mean) @ axes
        rows = write(scratch / "vl-learned", learned)
        self.starts, self.mixtures = {}, {}
        for k in GAUSSIANS:
            means = learned[rng.choice(len(learned), k, replace=False)]
            variances = np.tile(learned.var(0), (k, 1))
            self.starts[k] = write(scratch / f"vl-start-{k}", means, variances, np.full(k, 1 / k))
            self.mixtures[k] = scratch / f"vl-mixture-{k}"
            vlfeat("gmm", rows, self.starts[k], D, k, EM_ITERATIONS, 1, self.mixtures[k])

    def described(self, vlfeat, picture, count, rng):
        out = self.scratch / "vl-descriptors"
        dense(vlfeat, picture, out)
        rows = np.sqrt(np.fromfile(out, np.float32).reshape(-1, 128))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return rows[rng.choice(len(rows), count, replace=False)]


def benchmarks(vlfeat, inputs):
    """Name, runs of a sample, and VLFeat's call, which gives milliseconds."""
    out = inputs.scratch / "vl-out"
    calls = [
        ("vl dsift", RUNS, lambda: dense(vlfeat, inputs.picture, out, RUNS)),
        ("vl hog", RUNS, lambda: vlfeat("hog", inputs.picture, *SIZE, HOG_CELL, RUNS, out)),
        ("vl lbp", RUNS, lambda: vlfeat("lbp", inputs.picture, *SIZE, LBP_CELL, RUNS, out)),
        (f"vl vlad {WORDS}", RUNS, lambda: vlfeat("vlad", inputs.rows, inputs.mixtures[WORDS], D, WORDS, RUNS, out)),
    ]
    for k in GAUSSIANS:
        fisher = lambda k=k: vlfeat("fisher", inputs.rows, inputs.mixtures[k], D, k, RUNS, out)
        gmm = lambda k=k: vlfeat("gmm", inputs.rows, inputs.starts[k], D, k, 2, 3, out)
        calls += [(f"vl fisher {k}", RUNS, fisher), (f"vl gmm {k}", 3, gmm)]
    return calls


def compare(program, files, record, rounds, scratch):
    vlfeat = Vlfeat(program)
    inputs = Inputs(vlfeat, files, scratch)
    for benchmark, runs, call in benchmarks(vlfeat, inputs):

        def theirs(sample):
            # A row is of all runs, so that a few microseconds keep their digits.
            record.add(benchmark, SUBJECT, sample, runs, runs * call() / 1e3)

        alternate(rounds, [theirs])
