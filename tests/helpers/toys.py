"""Small models."""

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from xaae import model as models


def one_layer(**weights):
    """A classifier of pictures that fastai can cut where it cuts a ResNet34: below its last pooling."""
    body = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def shallow_resnet(**weights):
    """A ResNet of the ResNet34's blocks, one in place of three to six in each stage."""
    return ResNet(BasicBlock, [1, 1, 1, 1])


def small_aae(size=16, channels=1, dims=4, width=4, seed=0, **more):
    """An untrained AAE of a few thousand weights, always the same, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return models.AAE(size, channels, dims, width, **more).eval()
