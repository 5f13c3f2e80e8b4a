#!/usr/bin/env python3
"""Training steps of a float network in PyTorch, as a worker of bnn-bench, which starts this for
train --compare and says when to run. The networks are the float twins of models/nets/ (twins.py),
on random data, with Adam; "torch" runs them op by op, "torch-compile" what torch.compile makes of
network and loss. Precisions: fp32, and bf16 by autocast. Arguments: see worker.py.
"""
import worker

torch, = worker.load("torch")
import torch.nn.functional as F
import twins


def make_step(s):
    net = twins.build(s.arch, s.shape, s.classes, s.parameters)
    layout = getattr(net, "layout", torch.channels_last)
    net = net.to(memory_format=layout)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x = [part.contiguous(memory_format=layout) for part in twins.sample(net, s.batch, s.shape)]
    if hasattr(net, "targets"):
        y, loss = net.targets(s.batch), net.loss
    else:
        with torch.no_grad():
            rows = net(*x).shape[2:]  # of a sample: none, or its points
        y = torch.randint(s.classes, (s.batch, *rows))

        def loss(y, *x):
            return F.cross_entropy(net(*x), y) + getattr(net, "penalty", 0.0)

    def loss_of():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=s.precision == "bf16"):
            return loss(y, *x)

    def step():
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    if s.engine == "torch-compile":
        loss_of = torch.compile(loss_of)
        step()  # compiles, or says why not
    return step


def main():
    s = worker.subject()
    torch.set_num_threads(s.threads)
    torch.manual_seed(1)
    worker.serve("PyTorch " + torch.__version__, make_step(s))


if __name__ == "__main__":
    worker.say_what_is_wrong(main)
