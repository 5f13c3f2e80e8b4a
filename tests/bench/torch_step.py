#!/usr/bin/env python3
"""Seconds of one training step of the float ResNet-20 (or ResNet-18) in PyTorch: the baseline that
bnn-train's "s a step" is compared with. Debian: apt-get install python3-torch.

    python3 tests/bench/torch_step.py --arch resnet20 --batch-size 128 --threads 2 --steps 20
"""
import argparse
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.down = None
        if stride != 1 or cin != cout:
            self.down = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False),
                                      nn.BatchNorm2d(cout))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.down is None else self.down(x)))


def resnet(blocks, width):
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    cin = width
    for stage, count in enumerate(blocks):
        for i in range(count):
            cout = width << stage
            layers.append(Block(cin, cout, 2 if stage and i == 0 else 1))
            cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, 10))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=["resnet18", "resnet20"], default="resnet20")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net = resnet([3, 3, 3], 16) if args.arch == "resnet20" else resnet([2, 2, 2, 2], 64)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = torch.randn(args.batch_size, 3, 32, 32), torch.randint(10, (args.batch_size,))
    seconds = []
    for _ in range(args.steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print("torch %s, %s, batch %d, %d threads: median %.4f s a step" %
          (torch.__version__, args.arch, args.batch_size, args.threads,
           statistics.median(seconds[2:])))


if __name__ == "__main__":
    main()
