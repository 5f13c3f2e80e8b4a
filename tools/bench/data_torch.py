#!/usr/bin/env python3
"""Samples of photographs in folders by torchvision and Pillow, as a worker of bnn-bench, which
starts this for data --compare and says when to run. A precision is a split here: "train" or "test".
Arguments: see worker.py, whose folder is the data set's.
"""
import os

import worker

torch, torchvision = worker.load("torch", "torchvision")
import PIL
from torchvision import datasets, transforms


def transform(split, side):
    cut = [transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip()]
    if split == "test":
        cut = [transforms.Resize(side * 8 // 7), transforms.CenterCrop(side)]
    return transforms.Compose(cut + [
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def make_run(s):
    folder = os.path.join(s.folder, "train" if s.precision == "train" else "val")
    samples = datasets.ImageFolder(folder, transform(s.precision, s.shape[1]))
    place = 0

    def run():
        nonlocal place
        for _ in range(s.batch):
            samples[place % len(samples)]
            place += 1

    run()
    return run


def main():
    s = worker.subject()
    torch.set_num_threads(s.threads)
    worker.serve("torchvision %s, Pillow %s" % (torchvision.__version__, PIL.__version__),
                 make_run(s))


if __name__ == "__main__":
    worker.say_what_is_wrong(main)
