"""From decoded pixels to class, one picture of 300 x 250 after the other on one thread: featbench's handcrafted arms as
`featbench export` writes them, a network alone in ONNX Runtime, and dense SIFT with Fisher vectors as somebody writes
them today with OpenCV, NumPy and scikit-learn (the grid, PCA and mixture of `dense-sift-fisher-svm`, without cells)."""
import subprocess
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import peers
import vlfeat
from sides import alternate

SIZE = vlfeat.SIZE
SIZES, STEP = (4, 6, 8, 12), 6  # as that arm has them for a picture of this size
KEPT = 64  # of 128 numbers
GAUSSIANS = 64
LEARNED = 20_000  # rows
PICTURES = 20  # of one round
GREY = 40  # pictures a class that the grey arm is fitted on
NETWORK_SIDE = 224
ARMS = ("dense-sift-fisher-svm", "handcrafted-best", "handcrafted-fast")
PYTHON = "OpenCV and NumPy"


def windows(size):
    """Weights of the four windows along an axis: a Gaussian of twice the size, averaged over each window."""
    x = np.arange(1 - size, size)
    return np.float32([np.exp(-0.5 * ((x - size * (i - 1.5)) / (2 * size)) ** 2).mean() for i in range(4)])


def dense_sift(grey):
    """RootSIFT at all sizes, one row of 128 a place; of bytes."""
    grey, found = grey.astype(np.float32) / 255, []
    for size in SIZES:
        dy, dx = np.gradient(cv2.GaussianBlur(grey, (0, 0), size / 6))
        strength, angle = cv2.cartToPolar(dx, dy)
        turned = angle * np.float32(8 / (2 * np.pi))
        apart = np.abs((turned[..., None] - np.arange(8, dtype=np.float32) + 4) % 8 - 4)
        maps = strength[..., None] * np.maximum(1 - apart, 0)
        triangle = (size - np.abs(np.arange(1 - size, size))).astype(np.float32) / size**2
        maps = cv2.sepFilter2D(maps, -1, triangle, triangle, borderType=cv2.BORDER_REPLICATE)
        rows, columns = ((side - 1 - 3 * size) // STEP + 1 for side in grey.shape)
        cells, weights = np.empty((rows, columns, 4, 4, 8), np.float32), windows(size)
        for i in range(4):
            for j in range(4):
                y, x = i * size, j * size
                at = maps[y : y + rows * STEP : STEP, x : x + columns * STEP : STEP]
                cells[:, :, i, j] = at[:rows, :columns] * (weights[i] * weights[j])
        found.append(cells.reshape(-1, 128))
    found = np.concatenate(found)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    np.minimum(found, 0.2, out=found)
    found /= np.maximum(found.sum(1, keepdims=True), 1e-6)
    return np.sqrt(found, out=found)


class Python:
    """PCA, a mixture and a linear machine (of random weights, which take as long as learned ones)."""

    def __init__(self, pictures, classes):
        rng = np.random.default_rng(0)
        few = [rows[rng.choice(len(rows), LEARNED // len(pictures))] for rows in map(dense_sift, pictures)]
        self.pca = PCA(KEPT, whiten=True).fit(np.concatenate(few))
        rows = self.pca.transform(np.concatenate(few))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 15 rounds are enough, and not convergence
            fitted = GaussianMixture(GAUSSIANS, covariance_type="diag", max_iter=15, random_state=0).fit(rows)
        weights, means, variances = (np.float32(of) for of in (fitted.weights_, fitted.means_, fitted.covariances_))
        self.weights, self.means, self.deviations = weights, means, np.sqrt(variances)
        self.of_rows, self.of_squares = (means / variances).T, (-0.5 / variances).T
        self.constants = np.log(weights) - 0.5 * (means**2 / variances + np.log(2 * np.pi * variances)).sum(1)
        self.machine = rng.standard_normal((GAUSSIANS * (1 + 2 * KEPT), classes), dtype=np.float32)

    def classify(self, grey):
        rows = self.pca.transform(dense_sift(grey)).astype(np.float32)
        squares = rows * rows
        posteriors = rows @ self.of_rows + squares @ self.of_squares + self.constants
        posteriors = np.exp(posteriors - posteriors.max(1, keepdims=True))
        posteriors /= posteriors.sum(1, keepdims=True)
        n, count = len(rows), posteriors.sum(0)[:, None]
        first, second = posteriors.T @ rows, posteriors.T @ squares
        root = np.sqrt(self.weights)[:, None]
        means = (first - self.means * count) / self.deviations / (n * root)
        spread = (second - 2 * self.means * first + self.means**2 * count) / self.deviations**2 - count
        vector = np.concatenate([(count / n - self.weights[:, None]) / root, means, spread / (n * root * 2**0.5)], 1)
        vector = np.sign(vector) * np.sqrt(np.abs(vector))
        return int((vector.ravel() / np.linalg.norm(vector) @ self.machine).argmax())


def resized(files, folder, grey):
    """The pictures in 300 x 250 as PNG files, which lose nothing, as FOLDER/CLASS/FILE."""
    paths = []
    for file in map(Path, files):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        path = folder / file.parent.name / f"{file.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA))
        paths.append(str(path))
    return paths


def spread(files, count):
    return [files[i * len(files) // count] for i in range(min(count, len(files)))]


def of_each_class(files, count):
    classes = {}
    for file in files:
        classes.setdefault(Path(file).parent.name, []).append(file)
    return [file for of_class in classes.values() for file in spread(of_class, min(count, len(of_class)))]


def export(arm, known, path):
    """An arm as it is measured: chosen on val, from the cache where it is there."""
    command = ["cargo", "run", "--quiet", "--", "export", "--arm", arm, *known, "-o", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def agree(featbench, file, scratch):
    """Both sides' dense SIFT of a picture must be the same before the rest is timed."""
    picture, out = vlfeat.picture(file, scratch / "picture"), scratch / "dense"
    work = {"what": "dsift", "picture": str(picture), "size": SIZE, "step": STEP, "bins": SIZES, "smooth": True}
    featbench("vlfeat", work=work, runs=1, out=str(out))
    values = np.fromfile(picture, np.float32).reshape(SIZE[::-1])
    difference = vlfeat.apart(np.fromfile(out, np.float32), dense_sift(np.rint(values * 255).astype(np.uint8)).ravel())
    assert difference < 1e-3, f"dense SIFT of Python is {difference} from featbench's"


def compare(featbench, known, model, record, rounds, scratch):
    """`known` are the options that name the data set, `model` the network's file."""
    files = featbench.itself["images"]
    agree(featbench, files[0], scratch)
    colour, grey = (resized(spread(files, PICTURES), scratch / name, name == "grey") for name in ("colour", "grey"))
    few = scratch / "few-grey"
    resized(of_each_class(files, GREY), few, True)
    exported = {}
    for arm in ARMS:
        exported[f"class {arm}"] = (scratch / f"{arm}.featbench", colour)
        export(arm, known, exported[f"class {arm}"][0])
    exported["class handcrafted-fast grey"] = (scratch / "grey.featbench", grey)
    export("handcrafted-fast", ["--dataset", str(few)], scratch / "grey.featbench")
    net = peers.session(model, 1)
    peers.network(net, NETWORK_SIDE, 1, 3)
    pictures = [cv2.imread(file, cv2.IMREAD_GRAYSCALE) for file in grey]
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        python = Python(pictures[:8], featbench.itself["classes"])
        for benchmark, (path, images) in exported.items():
            one_by_one(featbench, benchmark, str(path), images, net, python, pictures, record, rounds)


def one_by_one(featbench, benchmark, path, images, net, python, pictures, record, rounds):
    seen = {}

    def note(subject, seconds, check=""):
        for value in seconds:
            record.add(benchmark, subject, seen.setdefault(subject, 0), 1, value, check)
            seen[subject] += 1

    def ours(sample):
        answer = featbench("classify", model=path, images=images)
        right = [Path(file).parent.name == found for file, found in zip(images, answer["classes"])]
        assert np.mean(right) >= 0.5, f"{benchmark}: {sum(right)} of {len(right)} training pictures are right"
        note("featbench", answer["seconds"], float(np.mean(right)))

    def network(sample):
        note("network alone", peers.network(net, NETWORK_SIDE, 1, PICTURES))

    def theirs(sample):
        seconds = []
        for picture in pictures:
            start = time.perf_counter()
            python.classify(picture)
            seconds.append(time.perf_counter() - start)
        note(PYTHON, seconds)

    python.classify(pictures[0])
    alternate(rounds, [ours, network] + ([theirs] if "dense-sift" in benchmark else []))
