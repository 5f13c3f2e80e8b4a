#!/usr/bin/env python3
"""Training steps of a float network in PyTorch, as a worker of bnn-bench, which starts this for
train --compare-torch and says when to run. The networks are the float twins of models/nets/
(twins.py), on random data, with Adam.

    torch_step.py ARCH BATCH CHANNELS HEIGHT WIDTH CLASSES PARAMETERS THREADS fp32|bf16
"""
import worker

try:
    import torch
except ImportError:
    worker.end("absent", "no Python here has PyTorch, so nothing to compare with; Debian's package "
               "is python3-torch, and BNN_PYTHON names another interpreter")
import torch.nn.functional as F
import twins


def make_step(s):
    net = twins.build(s.arch, s.shape, s.classes, s.parameters)
    layout = getattr(net, "layout", torch.channels_last)
    net = net.to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = torch.randn(s.batch, *s.shape).contiguous(memory_format=layout)
    with torch.no_grad():
        rows = net(x).shape[2:]  # of a sample: none, or its points
    y = torch.randint(s.classes, (s.batch, *rows))

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=s.precision == "bf16"):
            loss = F.cross_entropy(net(x), y) + getattr(net, "penalty", 0.0)
        loss.backward()
        optimizer.step()

    return step


def main():
    s = worker.subject()
    if s.arch not in twins.NETWORKS:
        worker.end("absent", "twins.py knows no network called " + s.arch)
    torch.set_num_threads(s.threads)
    torch.manual_seed(1)
    worker.serve("PyTorch " + torch.__version__, make_step(s))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, ValueError, MemoryError) as error:
        worker.end("error", error)
