#!/usr/bin/env python3
"""Training steps of a float network in PyTorch, as a worker of bnn-bench, which starts this for
train --compare-torch and says when to run: tools/bench/worker.h tells what is said. The networks
are the float twins of models/, on random data, with Adam.

    torch_step.py ARCH BATCH IMAGE_SIZE CLASSES THREADS fp32|bf16
"""
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError:
    print("absent no Python here has PyTorch, so nothing to compare with; Debian's package is "
          "python3-torch, and BNN_PYTHON names another interpreter")
    sys.exit(1)


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


def resnet(blocks, width, size, classes):
    if size <= 32:
        layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    else:
        layers = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                  nn.MaxPool2d(3, 2, 1)]
    cin = width
    for stage, count in enumerate(blocks):
        for i in range(count):
            cout = width << stage
            layers.append(Block(cin, cout, 2 if stage and i == 0 else 1))
            cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, classes))


def vgg_small(width, size, classes):
    layers, cin = [], 3
    for i in range(6):
        cout = width << (i // 2)
        layers.append(nn.Conv2d(cin, cout, 3, 1, 1, bias=False))
        if i % 2:
            layers.append(nn.MaxPool2d(2, 2))
        layers += [nn.BatchNorm2d(cout), nn.ReLU()]
        cin = cout
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(cin * (size // 8) ** 2, classes))


NETWORKS = {
    "resnet18": lambda size, classes: resnet([2, 2, 2, 2], 64, size, classes),
    "resnet34": lambda size, classes: resnet([3, 4, 6, 3], 64, size, classes),
    "resnet20": lambda size, classes: resnet([3, 3, 3], 16, size, classes),
    "vgg_small": lambda size, classes: vgg_small(128, size, classes),
}


def make_step(arch, batch, size, classes, bf16):
    # channels_last is the faster layout of the two in either precision.
    net = NETWORKS[arch](size, classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    y = torch.randint(classes, (batch,))

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()

    return step


def peak_bytes():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def main():
    arch, precision = sys.argv[1], sys.argv[6]
    batch, size, classes, threads = map(int, sys.argv[2:6])
    if arch not in NETWORKS:
        print("absent torch_step.py knows no network called " + arch)
        sys.exit(1)
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    step = make_step(arch, batch, size, classes, precision == "bf16")
    print("ready PyTorch " + torch.__version__, flush=True)
    for line in sys.stdin:
        least_runs, least_seconds = line.split()
        start, passed, runs = time.perf_counter(), 0.0, 0
        while runs < int(least_runs) or passed < float(least_seconds):
            step()
            runs += 1
            passed = time.perf_counter() - start
        print("done %.9g %d" % (passed / runs, peak_bytes()), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, MemoryError) as error:
        print("error " + str(error).split("\n")[0], flush=True)
        sys.exit(1)
