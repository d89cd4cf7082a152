"""One-vs-rest machines by liblinear, hinge loss, on the rows that `cargo bench --bench svm` wrote: for every class and
C the time of the loosest tolerance whose relative duality gap is small enough. Its intercept is a penalised feature."""
import ctypes
import re
import sys
import time

import numpy as np
from liblinear import liblinear as library

TOLERANCES = [2.0, 1.5, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4]
HINGE_DUAL = 3
Words = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


def problem(x):
    """The rows as liblinear's sparse nodes, with a last feature of 1 for the intercept."""
    n, d = x.shape
    nodes = np.zeros((n, d + 2), dtype=np.dtype([("index", "<i4"), ("value", "<f8")], align=True))
    nodes["index"][:, : d + 1] = np.arange(1, d + 2)
    nodes["value"][:, :d] = x
    nodes["value"][:, d] = 1.0
    nodes["index"][:, d + 1] = -1
    rows = (nodes.ctypes.data + nodes.strides[0] * np.arange(n)).astype(np.uint64)
    made = library.problem.__new__(library.problem)
    made.l, made.n, made.bias = n, d + 1, 1.0
    made.x = ctypes.cast(rows.ctypes.data, type(made.x))
    return made, (nodes, rows)


def fit(made, labels, c, tolerance, said, hear):
    """Weights, the dual's value, and seconds."""
    made.y = labels.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    asked = library.parameter(f"-s {HINGE_DUAL} -c {c:.17g} -e {tolerance}")
    library.liblinear.set_print_string_function(hear)  # making a parameter sets another
    said.clear()
    start = time.perf_counter()
    fitted = library.liblinear.train(ctypes.byref(made), ctypes.byref(asked))
    seconds = time.perf_counter() - start
    contents = fitted.contents
    sign = 1.0 if contents.label[0] == 1 else -1.0
    weights = sign * np.ctypeslib.as_array(contents.w, (made.n,)).copy()
    library.liblinear.free_and_destroy_model(ctypes.byref(fitted))
    dual = -float(re.search(r"Objective value = (\S+)", "".join(said))[1])
    return weights, dual, seconds


def main():
    path, n, d, cs, gap = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])
    classes = [int(v) for v in sys.argv[6].split(",")] if len(sys.argv) > 6 else None
    x = np.fromfile(path + ".x", "<f4").reshape(n, d)
    y = np.fromfile(path + ".y", "<i4")
    said = []
    hear = Words(lambda words: said.append(words.decode()))
    made, kept = problem(x)
    nodes = kept[0]
    total, worst, fits = 0.0, 0.0, 0
    for c in map(float, cs.split(",")):
        for k in classes or range(y.max() + 1):
            labels = np.where(y == k, 1.0, -1.0)
            for tolerance in TOLERANCES:
                weights, dual, seconds = fit(made, labels, c, tolerance, said, hear)
                outputs = x @ weights[:d].astype(np.float32) + weights[d]
                primal = 0.5 * weights @ weights + c * np.maximum(0.0, 1.0 - labels * outputs).sum()
                reached = (primal - dual) / primal
                if reached <= gap:
                    break
            total, worst, fits = total + seconds, max(worst, reached), fits + 1
    print(f"{total:.3f} {worst:.2e} {fits}")


if __name__ == "__main__":
    main()
