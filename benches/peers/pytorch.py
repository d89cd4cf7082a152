"""Training as a PyTorch user would write it. Every network starts from the numbers that featbench's starts from, and
learns by SGD on all layers; each function takes its own time."""
import time

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision import transforms
from torchvision.models.resnet import BasicBlock, ResNet

import peers


def network(tensors):
    """The ResNet of these numbers: blocks a stage are read off the names, the head is a linear layer, behind a batch
    norm where there are numbers for one."""
    of_stage = lambda stage: {name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")}
    blocks = [len(of_stage(stage)) for stage in range(1, 5)]
    net = ResNet(BasicBlock, blocks)
    classes, features = tensors["head.weight"].shape
    norm = nn.BatchNorm1d(features) if "head.norm.weight" in tensors else nn.Identity()
    net.fc = nn.Sequential(norm, nn.Linear(features, classes))
    # Copied, since training changes them in place.
    state = {own_name(name): torch.tensor(tensor) for name, tensor in tensors.items()}
    found = net.load_state_dict(state, strict=False)
    assert not found.unexpected_keys and all(key.endswith("num_batches_tracked") for key in found.missing_keys), found
    return net.train()


def own_name(name):
    """featbench's name of a tensor as the one that it has in `network`."""
    return name.replace("head.norm.", "fc.0.").replace("head.", "fc.1.")


def steps(tensors, images, labels, sizes, learning_rate, momentum, channels_last=False):
    """Steps on a batch that is ready, each on so many of its images: seconds and loss of each."""
    net, images, labels = network(tensors), torch.from_numpy(images), torch.tensor(labels)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), learning_rate, momentum=momentum)
    seconds, losses = [], []
    for size in sizes:
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = cross_entropy(net(images[:size]), labels[:size])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    return seconds, losses


def gradients(tensors, images, labels, double):
    """Gradients of the first step by the names of `tensors`, in 64 or 32 bits, as arrays of 64."""
    net, images = network(tensors), torch.from_numpy(images)
    if double:
        net, images = net.double(), images.double()
    cross_entropy(net(images), torch.tensor(labels)).backward()
    found = {name: parameter.grad.double().numpy() for name, parameter in net.named_parameters()}
    return {name: found[own_name(name)] for name in tensors if own_name(name) in found}


def nearest_to_a_bend(tensors, images):
    """The smallest distance of a ReLU's input from 0, where its gradient jumps, in the first step in 64 bits."""
    net, nearest = network(tensors).double(), []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, inputs: nearest.append(inputs[0].abs().min().item()))
    with torch.no_grad():
        net(torch.from_numpy(images).double())
    return min(nearest)


class Views(torch.utils.data.Dataset):
    """Random views of images, as a ResNet is usually trained on them, with their classes."""

    def __init__(self, files, labels, side):
        normalise = transforms.Normalize(peers.MEAN.ravel().tolist(), peers.DEVIATION.ravel().tolist())
        drawn = [transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip()]
        self.view = transforms.Compose(drawn + [transforms.ToTensor(), normalise])
        self.files, self.labels = files, labels

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.view(Image.open(self.files[i]).convert("RGB")), self.labels[i]


def finetune(tensors, files, labels, side, epochs, seed):
    """A training under the 1cycle policy: seconds of each epoch, its images and how many of them were classified
    correctly as their steps saw them."""
    torch.manual_seed(seed)
    net = network(tensors)
    loader = torch.utils.data.DataLoader(Views(files, labels, side), peers.BATCH, shuffle=True)
    optimiser = torch.optim.SGD(net.parameters(), 0.01, momentum=0.95)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=epochs * len(loader), pct_start=0.25)
    log = []
    for _ in range(epochs):
        start, correct = time.perf_counter(), 0
        for images, classes in loader:
            optimiser.zero_grad()
            scores = net(images)
            cross_entropy(scores, classes).backward()
            optimiser.step()
            schedule.step()
            correct += int((scores.argmax(1) == classes).sum())
        log.append((time.perf_counter() - start, len(files), correct))
    return log
