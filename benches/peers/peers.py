"""What a Python user would write: each function does the work of one of featbench's stages and takes its own time."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import onnxruntime
from PIL import Image
from sklearn.cluster import MiniBatchKMeans
from sklearn.svm import LinearSVC

try:
    import torch
    from torchvision import transforms
except ImportError:
    torch = None

MEAN = np.float32([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = np.float32([0.229, 0.224, 0.225])[:, None, None]
BATCH = 32


def describe(files, kind, keypoints, threads, pool):
    """Descriptors of all files as floats: RootSIFT, or ORB's bits. One detector in a loop with OpenCV's own threads, or
    a pool of threads with a detector each. Gives seconds and the number of keypoints of each file."""
    cv2.setNumThreads(1 if pool else threads)
    own = threading.local()

    def one(file):
        if not hasattr(own, "detector"):
            own.detector = (cv2.SIFT_create if kind == "sift" else cv2.ORB_create)(nfeatures=keypoints)
        found = own.detector.detectAndCompute(cv2.imread(file, cv2.IMREAD_GRAYSCALE), None)[1]
        if found is None:
            return 0
        if kind == "sift":
            rows = np.sqrt(found / np.maximum(found.sum(1, keepdims=True), 1e-12))
        else:
            rows = np.unpackbits(found, axis=1, bitorder="little").astype(np.float32)
        return len(rows)

    start = time.perf_counter()
    if pool:
        with ThreadPoolExecutor(threads) as executor:
            counts = list(executor.map(one, files))
    else:
        counts = [one(file) for file in files]
    return time.perf_counter() - start, counts


def session(model, threads):
    """The network as an ONNX Runtime session of so many threads; featbench wrote the file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def preparation(side):
    """From picture to input as torchvision evaluates ResNets: by torchvision where it is installed, else by hand."""
    size = side * 256 // 224
    if torch is not None:
        steps = [transforms.Resize(size), transforms.CenterCrop(side), transforms.ToTensor()]
        composed = transforms.Compose(steps + [transforms.Normalize(MEAN.ravel().tolist(), DEVIATION.ravel().tolist())])
        return lambda image: composed(image).numpy()

    def by_hand(image):
        width, height = image.size
        short = min(width, height)
        width, height = size * width // short, size * height // short
        left, top = round((width - side) / 2), round((height - side) / 2)
        image = image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
        values = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        return (values - MEAN) / DEVIATION

    return by_hand


def extract(net, files, side):
    """Features of all files in batches, JPEG included: seconds and one row a file."""
    prepare, rows = preparation(side), []
    start = time.perf_counter()
    for i in range(0, len(files), BATCH):
        batch = [prepare(Image.open(file).convert("RGB")) for file in files[i : i + BATCH]]
        rows.append(net.run(["features"], {"input": np.stack(batch)})[0])
    return time.perf_counter() - start, np.concatenate(rows)


def network(net, side, batch, runs):
    """The network alone on an input that is ready: seconds of each run."""
    values = np.random.default_rng(0).standard_normal((batch, 3, side, side), dtype=np.float32)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        net.run(["features"], {"input": values})
        seconds.append(time.perf_counter() - start)
    return seconds


def vocabulary(data, words, seed):
    """Words by mini-batch k-means: seconds and centres."""
    start = time.perf_counter()
    centres = MiniBatchKMeans(words, n_init=1, batch_size=4096, random_state=seed).fit(data).cluster_centers_
    return time.perf_counter() - start, centres


def inertia(data, centres):
    """Mean squared distance of the rows to their nearest centre, in 64 bits."""
    total, centres = 0.0, centres.astype(np.float64)
    for i in range(0, len(data), 4096):
        rows = data[i : i + 4096].astype(np.float64)
        distances = (rows * rows).sum(1)[:, None] - 2 * rows @ centres.T + (centres * centres).sum(1)
        total += np.maximum(distances.min(1), 0).sum()
    return total / len(data)


def svm(x, y, c):
    """One-vs-rest linear SVM by liblinear with the loss that featbench's has: seconds and predictions."""
    start = time.perf_counter()
    fitted = LinearSVC(C=c, loss="hinge", max_iter=5000, random_state=0).fit(x, y)
    return time.perf_counter() - start, fitted.predict(x)
