"""Training, side by side: single steps on batches that are ready, gradients, memory, and a whole training."""
import numpy as np
import torch

import peers
import pytorch
from sides import alternate

NETWORKS = ("resnet18", "resnet18-cntk")
SIDES = (128, 224)
CLASSES = 8
RATES = {"learning_rate": 0.01, "momentum": 0.9}
WARM = 2  # steps before those that count
STEPS = 5  # of one round
LARGEST_ERROR = 3e-5  # of a gradient, as a share of the largest number of its tensor
# Gradients of a small batch: in a large one some ReLU is always so near 0 that 32 bits choose its other side, in
# PyTorch as in featbench, and what differs then is more than rounding. Of several small ones that is taken whose ReLUs
# are farthest from 0 in 64 bits.
FEW, SMALL, BATCHES = 4, 64, 50  # images, side, and batches to choose from

ARM, ARMS_NETWORK, ARMS_SIDE = "resnet-finetuned-1cycle", "resnet18-cntk", 128


def read(answer, path):
    """The tensors that featbench wrote, by name."""
    numbers, tensors = np.fromfile(path, np.float32), {}
    for name, shape in answer["tensors"]:
        count = int(np.prod(shape))
        tensors[name], numbers = numbers[:count].reshape(shape), numbers[count:]
    assert len(numbers) == 0, "more numbers than names"
    return tensors


class Ready:
    """A network's first numbers and a batch of noise, for both sides the same."""

    def __init__(self, featbench, network, side, scratch, count=peers.BATCH, batches=1):
        self.tensors = read(featbench("weights", network=network, classes=CLASSES, out=str(scratch / "weights")),
                            scratch / "weights")
        noise = lambda seed: np.random.default_rng(seed).standard_normal((count, 3, side, side), dtype=np.float32)
        far = lambda seed: pytorch.nearest_to_a_bend(self.tensors, noise(seed))
        self.images = noise(max(range(batches), key=far) if batches > 1 else 0)
        self.images.tofile(scratch / "images")
        self.labels = [i % CLASSES for i in range(count)]
        self.job = {"network": network, "classes": CLASSES, "side": side, "images": str(scratch / "images"),
                    "labels": self.labels, **RATES}

    def ours(self, featbench, sizes):
        return featbench("steps", sizes=sizes, **self.job)

    def theirs(self, sizes, channels_last):
        return pytorch.steps(self.tensors, self.images, self.labels, sizes, **RATES, channels_last=channels_last)


def stepping(featbench, record, rounds, scratch):
    """One step of each network, with PyTorch in both of its memory formats."""
    sizes = [peers.BATCH] * (WARM + STEPS)
    for network, side in ((network, side) for network in NETWORKS for side in SIDES):
        ready, losses = Ready(featbench, network, side, scratch), {}

        def note(subject, sample, seconds, found):
            record.add(f"step {network} {side}", subject, sample, STEPS * peers.BATCH, sum(seconds[WARM:]), found[0])
            losses[subject] = found[:WARM]

        def ours(sample):
            answer = ready.ours(featbench, sizes)
            note("featbench", sample, answer["seconds"], answer["losses"])

        def peer(subject, channels_last):
            return lambda sample: note(subject, sample, *ready.theirs(sizes, channels_last))

        alternate(rounds, [ours, peer("PyTorch", False), peer("PyTorch channels_last", True)])
        for subject, found in losses.items():
            # The loss of the second step is that after one update of everything.
            assert np.allclose(found, losses["featbench"], rtol=1e-3), f"{network} {side}: losses differ: {losses}"


def comparing_gradients(featbench, record, scratch):
    """How far gradients are from those in 64 bits, for featbench and for PyTorch in 32."""
    ready, out = Ready(featbench, NETWORKS[0], SMALL, scratch, FEW, BATCHES), scratch / "gradients"
    ours = read(featbench("gradients", steps={"sizes": [FEW], **ready.job}, out=str(out)), out)
    theirs, exact = (pytorch.gradients(ready.tensors, ready.images, ready.labels, double) for double in (False, True))
    assert ours.keys() == theirs.keys() == exact.keys(), "gradients of other parameters"
    for subject, found in (("featbench", ours), ("PyTorch", theirs)):
        error = max(np.abs(found[name] - exact[name]).max() / np.abs(exact[name]).max() for name in exact)
        record.add(f"gradients {NETWORKS[0]}", subject, 0, FEW, 0, f"{error:.3e}")
        print(f"gradients of {NETWORKS[0]}: {subject} within {error:.1e} of 64 bits", flush=True)
        assert subject != "featbench" or error <= LARGEST_ERROR, f"at most {LARGEST_ERROR} was asked for"


def remembering(featbench, record, scratch):
    """The largest memory of steps as a training takes them: an epoch's last batch may be smaller, and has a graph of
    its own. featbench has done nothing else before."""
    network, side = NETWORKS[0], max(SIDES)
    ready = Ready(featbench, network, side, scratch)
    sizes = [peers.BATCH] * 3 + [peers.BATCH - 2] * 2 + [peers.BATCH]
    answer = ready.ours(featbench, sizes)
    for subject, count in (("equal batches", 3), ("a smaller last batch", len(sizes))):
        peak = answer["peaks_mib"][count - 1]
        if peak is not None:  # as elsewhere than on Linux
            seconds = sum(answer["seconds"][:count])
            record.add(f"memory {network} {side}", subject, 0, sum(sizes[:count]), seconds, f"{peak:.0f}")


def finetuning(featbench, record, rounds, epochs, scratch):
    """The training of an arm, reading and augmenting images included, and its steps on a batch that is ready."""
    files, labels, side = featbench.itself["images"], featbench.itself["labels"], ARMS_SIDE
    weights = {"network": ARMS_NETWORK, "classes": featbench.itself["classes"], "out": str(scratch / "weights")}
    tensors = read(featbench("weights", **weights), scratch / "weights")
    last = len(files) % peers.BATCH
    sizes = [peers.BATCH] * (len(files) // peers.BATCH) + [last] * (last > 1)
    warm = sorted(set(sizes))
    ready, shares = Ready(featbench, ARMS_NETWORK, side, scratch), {}

    def note(subject, sample, log):
        (_, seen, correct), seconds = log[-1], sum(epoch[0] for epoch in log)
        shares[subject] = correct / seen
        record.add("finetune", subject, sample, sum(epoch[1] for epoch in log), seconds, f"{correct / seen:.4f}")

    def ours(sample):
        # A cache that is empty each time.
        job = {"arm": ARM, "epochs": epochs, "input": side, "seed": sample, "cache": str(scratch / f"cache-{sample}")}
        note("featbench", sample, featbench("train", **job)["epochs"])

    def peer(sample):
        note("PyTorch", sample, pytorch.finetune(tensors, files, labels, side, epochs, sample))

    def steps(sample):
        seconds = ready.ours(featbench, warm + sizes)["seconds"][len(warm) :]
        record.add("finetune", "its steps alone", sample, sum(sizes), sum(seconds))

    alternate(rounds, [ours, peer, steps])
    # Chance decides about views and, in part, accuracy; two sides that learn end near each other.
    assert abs(shares["featbench"] - shares["PyTorch"]) < 0.25, f"the last epochs' accuracies differ: {shares}"


def parts(featbench, fresh, record, rounds, arguments, scratch):
    """Everything that there is to compare, as titles with what to do; `fresh` is featbench in a process of its own."""
    torch.set_num_threads(arguments.threads)

    def memory():
        own = fresh()
        remembering(own, record, scratch)
        own.end()

    return [
        ("training: gradients", lambda: comparing_gradients(featbench, record, scratch)),
        ("training: memory", memory),
        ("training: steps", lambda: stepping(featbench, record, rounds(4), scratch)),
        ("training: epochs", lambda: finetuning(featbench, record, rounds(2), arguments.epochs, scratch)),
    ]
