"""VLFeat's C library as a peer, through the program that vlfeat.c is: dense SIFT, encodings, mixtures, HOG and LBP, one
thread each. The head of vlfeat.c says what is done; featbench does it on the same files, and nothing is timed before
both sides' numbers agree.
"""
import functools
import subprocess
from dataclasses import dataclass
from typing import Callable

import cv2
import numpy as np

from sides import alternate

SUBJECT = "VLFeat"
SIZE = (300, 250)
BINS = ("4", "6", "8", "12")
STEP = "4"
HOG_CELL, LBP_CELL = 8, 25  # LBP's divides both sides
D = 64  # of rows to encode, after PCA
N = 10_000  # rows of one picture
GAUSSIANS = (64, 128)
WORDS = 64
OTHERS = 8  # pictures that PCA and mixtures are learned from
LEARNED = 20_000  # their rows
RUNS = 20  # of one sample; of a fit: 1
ROUNDS = 15  # of EM, as featbench has them


@dataclass
class Comparison:
    """What both sides do, each giving milliseconds and writing its numbers to a file."""

    name: str
    theirs: Callable  # of runs and a path
    ours: Callable
    difference: Callable = None  # of both sides' numbers, theirs first; None where they are not the same
    most: float = 0.0  # that it may be
    runs: int = RUNS


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
    Real descriptors, because posteriors that are nearly 0 are left out, and how many are depends on the data."""

    def __init__(self, vlfeat, files, scratch):
        rng = np.random.default_rng(0)
        self.scratch = scratch
        self.picture = picture(files[0], scratch / "vl-picture")
        values = np.fromfile(self.picture, np.float32).reshape(SIZE[::-1])
        self.file = str(scratch / "vl-picture.png")
        cv2.imwrite(self.file, np.rint(values * 255).astype(np.uint8))
        one = self.described(vlfeat, self.picture, N, rng)
        others = [self.described(vlfeat, picture(file, scratch / "vl-other"), LEARNED // OTHERS, rng)
                  for file in (files[1 + i * (len(files) - 1) // OTHERS] for i in range(OTHERS))]
        learned = np.concatenate(others)
        mean = learned.mean(0)
        axes = np.linalg.eigh(np.cov(learned, rowvar=False))[1][:, ::-1][:, :D]
        self.rows = write(scratch / "vl-rows", (one - mean) @ axes)
        self.learned = write(scratch / "vl-learned", (learned - mean) @ axes)
        self.mixtures = {}
        for k in GAUSSIANS:
            self.mixtures[k] = scratch / f"vl-mixture-{k}"
            vlfeat("fit", self.learned, D, k, ROUNDS, 1, self.mixtures[k])

    def described(self, vlfeat, picture, count, rng):
        out = self.scratch / "vl-descriptors"
        dense(vlfeat, picture, out)
        rows = np.sqrt(np.fromfile(out, np.float32).reshape(-1, 128))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return rows[rng.choice(len(rows), count, replace=False)]


def apart(theirs, ours):
    """Length of the difference, as a share of the length of theirs."""
    assert theirs.shape == ours.shape, f"{ours.shape} numbers, not {theirs.shape}"
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(theirs))


def rootless(theirs, ours):
    """RootSIFT is compared by what the root was taken of, brought to length 1. Where nothing but rounding is to be
    described, featbench has zeros."""
    ours = np.square(ours.reshape(-1, 128))
    ours /= np.maximum(np.linalg.norm(ours, axis=1, keepdims=True), 1e-9)
    seen = ours.any(1)
    assert seen.mean() > 0.9, "most descriptors are of nothing"
    return apart(theirs.reshape(-1, 128)[seen], ours[seen])


def first_of_blocks(theirs, ours):
    """VLFeat's HOG is one plane a number; featbench has blocks of 2 x 2 cells, the first of which is compared."""
    width, height = ((side + HOG_CELL // 2) // HOG_CELL for side in SIZE)
    theirs = theirs.reshape(-1, height, width).transpose(1, 2, 0)[:-1, :-1]
    return apart(theirs, ours.reshape(height - 1, width - 1, 4, -1)[:, :, 0])


def without_weights(k, theirs, ours):
    """VLFeat has no part for the weights, and all parts of means before those of variances."""
    ours = ours.reshape(k, -1)[:, 1:].reshape(k, 2, D).transpose(1, 0, 2).ravel()
    return apart(theirs, ours / np.linalg.norm(ours))


def likelihood(numbers, k, rows):
    """Mean logarithm of the density of the rows under a mixture, in 64 bits."""
    means, variances = numbers[: 2 * k * D].astype(np.float64).reshape(2, k, D)
    exponents = -0.5 * (np.square(rows) @ (1 / variances).T - 2 * rows @ (means / variances).T
                        + (np.square(means) / variances + np.log(2 * np.pi * variances)).sum(1))
    return float(np.logaddexp.reduce(exponents + np.log(numbers[2 * k * D :].astype(np.float64)), axis=1).mean())


def less_likely(k, rows, theirs, ours):
    """By how much the rows are less likely under featbench's mixture; k-means begins elsewhere."""
    rows = np.fromfile(rows, np.float32).astype(np.float64).reshape(-1, D)
    return likelihood(theirs, k, rows) - likelihood(ours, k, rows)


def comparisons(vlfeat, featbench, inputs):
    def ours(what, **settings):
        settings = {name: str(value) if name in ("picture", "rows", "mixture") else value
                    for name, value in settings.items()}
        work = {"what": what, **settings}
        return lambda runs, out: featbench("vlfeat", work=work, runs=runs, out=str(out))["milliseconds"]

    def theirs(what, *settings):
        return lambda runs, out: vlfeat(what, *settings, runs, out)

    seen = {"picture": inputs.picture, "size": SIZE}
    pattern = {"kind": "lbp", "smoothing": 0.0, "smoothing_a_radius": 0.0, "radii": [1],
               "cells": [[SIZE[1] // LBP_CELL, SIZE[0] // LBP_CELL]]}
    parts = [
        Comparison("vl dsift", lambda runs, out: dense(vlfeat, inputs.picture, out, runs),
                   ours("dsift", **seen, step=int(STEP), bins=[int(size) for size in BINS], smooth=False),
                   rootless, 0.01),
        Comparison("vl hog", theirs("hog", inputs.picture, *SIZE, HOG_CELL), ours("hog", **seen, cell=HOG_CELL),
                   first_of_blocks, 1e-3),
        Comparison("vl lbp", theirs("lbp", inputs.picture, *SIZE, LBP_CELL),
                   ours("whole", picture=inputs.file, features=pattern)),
        Comparison(f"vl vlad {WORDS}", theirs("vlad", inputs.rows, inputs.mixtures[WORDS], D, WORDS),
                   ours("vlad", rows=inputs.rows, mixture=inputs.mixtures[WORDS], d=D, k=WORDS), apart, 1e-3),
    ]
    for k in GAUSSIANS:
        mixture = inputs.mixtures[k]
        parts += [
            Comparison(f"vl fisher {k}", theirs("fisher", inputs.rows, mixture, D, k),
                       ours("fisher", rows=inputs.rows, mixture=mixture, d=D, k=k),
                       functools.partial(without_weights, k), 5e-3),
            Comparison(f"vl fit {k}", theirs("fit", inputs.learned, D, k, ROUNDS),
                       ours("fit", rows=inputs.learned, d=D, k=k),
                       functools.partial(less_likely, k, inputs.learned), 0.2, 1),
        ]
    return parts


def compare(program, featbench, record, rounds, scratch):
    vlfeat = Vlfeat(program)
    inputs = Inputs(vlfeat, featbench.itself["images"], scratch)
    for part in comparisons(vlfeat, featbench, inputs):
        numbers = []
        for call in (part.theirs, part.ours):
            call(1, scratch / "vl-out")
            numbers.append(np.fromfile(scratch / "vl-out", np.float32))
        difference = part.difference(*numbers) if part.difference else ""
        assert not part.difference or difference <= part.most, f"{part.name}: featbench is {difference} from VLFeat"

        def side(subject, call, check):
            # A row is of all runs, so that a few microseconds keep their digits.
            return lambda sample: record.add(part.name, subject, sample, part.runs,
                                             part.runs * call(part.runs, scratch / "vl-out") / 1e3, check)

        alternate(rounds, [side("featbench", part.ours, difference), side(SUBJECT, part.theirs, "")])
