"""Six small networks of all kinds on which the matrix of methods and the tests run."""

import torch
import torch.nn.functional as F
from torch import nn

from xaae import model as models


class SignalNet(nn.Module):
    """A 1-D convnet on (B, 2, 96), as it is often written: a function for pooling, one ReLU used twice."""

    def __init__(self, classes=3):
        super().__init__()
        self.first, self.norm = nn.Conv1d(2, 8, 5, padding=2), nn.BatchNorm1d(8)
        self.second, self.relu, self.drop = nn.Conv1d(8, 16, 5, padding=2), nn.ReLU(), nn.Dropout(0.2)
        self.head = nn.Linear(16, classes)

    def forward(self, x):
        x = F.max_pool1d(self.relu(self.norm(self.first(x))), 2)
        return self.head(self.drop(self.relu(self.second(x)).mean(2)))


class VolumeNet(nn.Sequential):
    """A 3-D convnet on (B, 1, 12, 12, 12)."""

    def __init__(self, classes=2):
        first = [nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d(2)]
        second = [nn.Conv3d(6, 12, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool3d(1)]
        super().__init__(*first, *second, nn.Flatten(), nn.Dropout(0.2), nn.Linear(12, classes))


class SegmentationNet(nn.Module):
    """A small U-Net on (B, 1, 32, 32): two scales, one skip connection, logits (B, K, 32, 32)."""

    def __init__(self, classes=3, width=8):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())  # noqa: E731
        self.down, self.deep = block(1, width), block(width, 2 * width)
        self.pool, self.grow = nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.up, self.out = block(3 * width, width), nn.Conv2d(width, classes, 1)

    def forward(self, x):
        fine = self.down(x)
        return self.out(self.up(torch.cat([fine, self.grow(self.deep(self.pool(fine)))], 1)))


def settle(network, x, seed=0):
    """The network in evaluation mode, its batch norms with the statistics of items x, so that items differ in score."""
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(x)
    return network.eval()


def cifar_net():
    """The tutorial's ConvNet, untrained."""
    from xaae.training.convnet import ConvNet

    return ConvNet()


def segmentation_net():
    """The U-Net as a classifier: for each class the sum of its logits."""
    from xaae.explain.network.segmentation import Segmentation

    return Segmentation(SegmentationNet())


NETWORKS = {  # name -> (function that makes it, shape of an item)
    "AAE head": (lambda: models.AAE(32, 3), (3, 32, 32)),
    "ResNet34": (lambda: models.baseline(2, 3), (3, 32, 32)),
    "CIFAR ConvNet": (cifar_net, (3, 32, 32)),
    "1-D convnet": (SignalNet, (2, 96)),
    "3-D convnet": (VolumeNet, (1, 12, 12, 12)),
    "segmentation net": (segmentation_net, (1, 32, 32)),
}


def build(name, items=4, seed=0):
    """(network, items (B, C, *places), background (8, C, *places)) of one of NETWORKS; all random, from `seed`."""
    make, shape = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
        x, background = torch.rand(items, *shape), torch.rand(8, *shape)
        return settle(network, torch.rand(16, *shape)), x, background
