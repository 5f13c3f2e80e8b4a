#!/usr/bin/env python3
"""Computes a daBNN model (.dab) in numpy and compares it with logits that are known.

    bnn-export MODEL --format dabnn --output model.dab
    bnn-eval MODEL --save-inputs input.npy --save-outputs logits.npy
    check_dab.py model.dab input.npy logits.npy --tolerance 1e-4

It reads the file as daBNN's runtime does, by the schema's numbers, and does what its layers do: a
binary convolution takes values above 0 for +1 and others for -1, pads with -1 and counts differing
bits; Affine, Add, Relu and PRelu overwrite their input. What the runtime would refuse or get wrong
is an error. Exit status: 0 agreement, 1 a difference, 2 no such model or samples.
"""
import argparse
import struct
import sys

try:
    import numpy as np
except ImportError:
    np = None  # --help goes without

# type: (name, field of its parameters, how many names they begin with, lists of integers behind)
KINDS = {
    0: ("FpConv2D", 1, 3, 3),
    1: ("AvePool", 3, 1, 3),
    2: ("MaxPool", 4, 1, 3),
    3: ("Relu", 5, 1, 0),
    6: ("Add", 8, 2, 0),
    8: ("BinConv2D", 2, 3, 3),
    9: ("Affine", 10, 3, 0),
    13: ("PRelu", 15, 2, 0),
}


class Unusable(Exception):
    """Not a model that daBNN runs."""


def check(condition, text, *values):
    if not condition:
        raise Unusable(text % values)


def read(form, data, at):
    check(0 <= at <= len(data) - struct.calcsize(form), "an offset leads out of the file")
    return struct.unpack_from(form, data, at)[0]


class Table:
    """A table of a FlatBuffer, that an offset leads to; its fields by id, absent ones 0 or None."""

    def __init__(self, data, offset):
        self.data, self.at = data, offset + read("<I", data, offset)
        self.fields = self.at - read("<i", data, self.at)
        self.bytes = read("<H", data, self.fields)

    def place(self, field):
        slot = 4 + 2 * field
        offset = read("<H", self.data, self.fields + slot) if slot + 2 <= self.bytes else 0
        return self.at + offset if offset else None

    def number(self, field, form):
        at = self.place(field)
        return 0 if at is None else read(form, self.data, at)

    def child(self, field):
        at = self.place(field)
        return None if at is None else at + read("<I", self.data, at)

    def table(self, field):
        at = self.place(field)
        check(at is not None, "a table lacks field %d", field)
        return Table(self.data, at)

    def tables(self, field):
        at = self.child(field)
        count = 0 if at is None else read("<I", self.data, at)
        return [Table(self.data, at + 4 + 4 * i) for i in range(count)]

    def array(self, field, dtype):
        at = self.child(field)
        if at is None:
            return np.zeros(0, dtype)
        count, size = read("<I", self.data, at), np.dtype(dtype).itemsize
        check(at + 4 + count * size <= len(self.data), "a vector leads out of the file")
        check((at + 4) % size == 0, "a vector is not aligned")
        return np.frombuffer(self.data, dtype, count, at + 4)

    def text(self, field):
        return self.array(field, "u1").tobytes().decode() if self.child(field) else None


def read_filters(shape, words):
    """Filters [O,K] of +1 and -1."""
    count, terms = shape[0], int(np.prod(shape[1:]))
    packed = list(shape[1:]) == [3, 3, 64]
    each = terms // 64 if packed else -(-terms // 128) * 2
    check(words.size == count * each, "%d words for filters %s", words.size, shape)
    octets = words.astype("<u8").view(np.uint8).reshape(count, each * 8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    return bits[:, :terms].astype(np.float32) * 2 - 1


def windows(x, kernel, strides, pads, fill):
    """[OH,OW,KH*KW,C] of x [H,W,C]."""
    check(pads[0] == pads[2] and pads[1] == pads[3], "other pads after than before")
    check(min(kernel) > 0 and min(strides) > 0, "a window without size or stride")
    x = np.pad(x, ((pads[0], pads[2]), (pads[1], pads[3]), (0, 0)), constant_values=fill)
    check(x.shape[0] >= kernel[0] and x.shape[1] >= kernel[1], "a window larger than its image")
    view = np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), axis=(0, 1))
    view = view[:: strides[0], :: strides[1]].transpose(0, 1, 3, 4, 2)
    return view.reshape(*view.shape[:2], -1, x.shape[2])


class Model:
    def __init__(self, data):
        root = Table(data, 0)
        check(root.number(3, "<I") == 2, "version %d; daBNN's runtime reads 2", root.number(3, "<I"))
        inputs = root.tables(2)
        check(len(inputs) == 1, "%d inputs", len(inputs))
        self.input, self.shape = inputs[0].text(1), inputs[0].array(0, "<u4")[1:]
        check(len(self.shape) == 3 and self.shape[0] == self.shape[1], "no square input")
        self.constants, self.filters = {}, {}
        for tensor in root.tables(1):
            name, shape = tensor.text(4), tensor.array(3, "<u4").astype(int)
            if tensor.number(0, "<b"):
                self.filters[name] = (shape, read_filters(shape, tensor.array(1, "<u8")))
            else:
                values = tensor.array(2, "<f4")
                check(values.size == np.prod(shape), "%s: %d values", name, values.size)
                self.constants[name] = values.reshape(shape)
        self.layers = [self.read_layer(layer) for layer in root.tables(0)]
        check(self.layers, "no layers")

    @staticmethod
    def read_layer(layer):
        number = layer.number(0, "<b")
        check(number in KINDS, "layer type %d is not known here", number)
        kind, field, names, lists = KINDS[number]
        p = layer.table(field)
        texts = [p.text(i) for i in range(names)]
        return kind, texts, [p.array(names + i, "<i4") for i in range(lists)], p.text(names + lists)

    def bin_conv(self, x, weight, pads, strides):
        (count, kh, kw, c), filters = self.filters[weight]
        check(c == x.shape[2], "filters of %d channels on %d", c, x.shape[2])
        check(filters.shape[1] < 60000, "filters of %d values", filters.shape[1])
        w = windows(np.where(x > 0, np.float32(1), np.float32(-1)), (kh, kw), strides, pads, -1)
        y = w.reshape(*w.shape[:2], -1) @ filters.T  # integers, exact in floats
        if kh == 3 and kw == 3 and c == 64:
            even = x.shape[1] % 2 == 0 and y.shape[0] * y.shape[1] % 2 == 0 and count % 2 == 0
            check(even, "3x3 on 64 channels with odd sizes")
        if kh == 3 and kw == 3 and c in (128, 256, 512, 1024):
            check(count % 128 == 0, "3x3 on %d channels with %d filters", c, count)
        return (filters.shape[1] - y) / 2

    def fp_conv(self, x, weight, bias, pads, strides):
        filters = self.constants[weight].astype(np.float64)
        check(filters.shape[3] == x.shape[2], "filters of other channels")
        w = windows(x.astype(np.float64), filters.shape[1:3], strides, pads, 0)
        y = (w.reshape(*w.shape[:2], -1) @ filters.reshape(len(filters), -1).T).astype(np.float32)
        return y if bias is None else y + self.constants[bias]

    @staticmethod
    def pool(kind, x, kernel, pads, strides):
        w = windows(x, kernel, strides, pads, np.nan)
        mean = kind == "AvePool"
        y = np.nanmean(w.astype(np.float64), 2) if mean else np.nanmax(w, 2)
        for m in (x, y):
            check(m.shape[1] * m.shape[2] % 4 == 0, "a pool's row is no multiple of 4 values")
        return y.astype(np.float32)

    def in_place(self, kind, x, names, blobs):
        if kind == "Relu":
            np.maximum(x, 0, out=x)
        elif kind == "Add":
            y = blobs[names[1]] if names[1] in blobs else self.constants[names[1]][0]
            check(x.shape == y.shape, "a sum of %s and %s", x.shape, y.shape)
            x += y
        else:
            vectors = [self.constants[name] for name in names[1:]]
            check(all(v.size in (x.shape[2], 1) for v in vectors), "%s of other channels", kind)
            if kind == "Affine":
                x *= vectors[0]
                x += vectors[1]
            else:
                np.copyto(x, np.where(x < 0, x * vectors[0], x))
        return x

    def run(self, sample):
        blobs = {self.input: np.array(sample, np.float32).reshape(self.shape)}
        for kind, names, lists, output in self.layers:
            x = blobs[names[0]]
            if kind in ("FpConv2D", "BinConv2D"):
                pads, strides, dilations = lists
                check(list(dilations) == [1, 1], "dilation")
                if kind == "FpConv2D":
                    y = self.fp_conv(x, names[1], names[2], pads, strides)
                else:
                    y = self.bin_conv(x, names[1], pads, strides)
            elif kind in ("AvePool", "MaxPool"):
                y = self.pool(kind, x, *lists)
            else:
                y = self.in_place(kind, x, names, blobs)
            check(y.shape[0] == y.shape[1], "%s is not square", output)
            blobs[output] = y
        return y.reshape(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="what bnn-export --format dabnn has written")
    parser.add_argument("input", help="samples: float32 .npy, the first dimension counts them")
    parser.add_argument("logits", help="what is expected of each, likewise")
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="T",
                        help="most that a logit may differ, times the largest one if that is "
                             "above 1 (default 0: no bit)")
    parser.add_argument("--predictions", action="store_true", help="compare the largest alone")
    args = parser.parse_args()
    if np is None:
        print("check_dab.py: needs NumPy (Debian's python3-numpy)", file=sys.stderr)
        return 2
    try:
        with open(args.model, "rb") as file:
            model = Model(file.read())
        samples, expected = np.load(args.input), np.load(args.logits)
        check(len(samples) == len(expected) > 0, "%d samples, logits of %d", len(samples),
              len(expected))
        check(samples[0].size == np.prod(model.shape), "samples of %d values, an input of %s",
              samples[0].size, model.shape.tolist())
        got = np.stack([model.run(sample) for sample in samples])
        expected = expected.reshape(len(got), -1)
        check(got.shape == expected.shape, "%d logits, expected %d", got.shape[1],
              expected.shape[1])
    except (Unusable, OSError, ValueError, IndexError) as error:
        print("check_dab.py: %s: %s" % (args.model, error), file=sys.stderr)
        return 2
    except KeyError as error:
        print("check_dab.py: %s: nothing is called %s" % (args.model, error), file=sys.stderr)
        return 2
    most = np.abs(got.astype(np.float64) - expected).max()
    allowed = args.tolerance * max(1, np.abs(expected).max())
    same = int((got.argmax(1) == expected.argmax(1)).sum())
    print("%d samples: logits differ by at most %g, %d predictions agree" % (len(got), most, same))
    return 0 if same == len(got) and (args.predictions or most <= allowed) else 1


if __name__ == "__main__":
    sys.exit(main())
