"""What becomes of a detector's heads (bnn-export --format onnx or lce writes MODEL.json beside the
model): boxes of anchors and deltas, the best of them, none of which lie upon each other. For
check_onnx.py and check_lce.py, and to read by whoever writes the same for a phone. Needs NumPy."""
import json
import math
import pathlib

import numpy

LARGEST = abs(math.log(16 / 1000))  # of a delta of a width or height


def beside(model):
    """The heads that the model's JSON describes, or None where it has none."""
    path = pathlib.Path(model).with_suffix(".json")
    return json.loads(path.read_text()).get("heads") if path.exists() else None


def anchors(heads):
    """[P,4]: x1 y1 x2 y2 in pixels of the input, level by level, row by row, cell by cell."""
    levels = []
    for level in heads["anchors"]:
        size = numpy.array(level["sizes"], "float32")
        y, x = numpy.mgrid[:level["rows"], :level["columns"]]
        middle = (numpy.stack([x, y], -1).astype("float32") + level["offset"]) * level["stride"]
        middle = middle.reshape(-1, 1, 2)
        levels.append(numpy.concatenate([middle - size / 2, middle + size / 2], -1).reshape(-1, 4))
    return levels


def boxes(heads, deltas, seen):
    """[P,4] boxes of a sample's deltas [P,4], cut off where what is seen of the image ends."""
    a = numpy.concatenate(anchors(heads))
    d = deltas * numpy.array(heads["std"], "float32")
    size = a[:, 2:] - a[:, :2]
    middle = (a[:, 2:] + a[:, :2]) / 2 + d[:, :2] * size
    half = size * numpy.exp(numpy.clip(d[:, 2:], -LARGEST, LARGEST)) / 2
    height, width = seen
    return numpy.clip(numpy.concatenate([middle - half, middle + half], -1), 0,
                      [width, height, width, height])


def scores(heads, logits):
    """[P,classes] of a sample's logits."""
    x = logits.astype("float64")
    if heads["score"] == "sigmoid":
        return 1 / (1 + numpy.exp(-x))
    x = numpy.exp(x - x.max(1, keepdims=True))
    # As floats, of which many are 1: the first of these comes first.
    x = (x / x.sum(1, keepdims=True)).astype("float32")
    return numpy.delete(x, heads["background"], 1)


def overlaps(box, others):
    low, high = numpy.maximum(box[:2], others[:, :2]), numpy.minimum(box[2:], others[:, 2:])
    both = numpy.clip(high - low, 0, None).prod(1)
    area = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return both / numpy.maximum(area - both, 1e-12)


def detections(heads, logits, deltas, seen=None):
    """[D,6] of a sample: box, score, class; the best first. `seen`: height and width of what the
    photograph takes of the image, where that is a part; then no anchor's middle lies beyond."""
    score, nms = scores(heads, logits), heads["nms"]
    box = boxes(heads, deltas, seen or heads["image"])
    if seen:
        a = numpy.concatenate(anchors(heads))
        score[((a[:, :2] + a[:, 2:]) / 2 >= seen[::-1]).any(1)] = -1
    least, pairs, first = nms.get("score", -1), [], 0
    for level in heads["anchors"]:
        rows = level["rows"] * level["columns"] * len(level["sizes"])
        own = score[first:first + rows]
        found = numpy.flatnonzero(own > least)
        found = found[numpy.argsort(-own.ravel()[found], kind="stable")][:nms["most"]]
        pairs.append(found + first * score.shape[1])
        first += rows
    pairs = numpy.concatenate(pairs)
    pairs = pairs[numpy.lexsort((pairs, -score.ravel()[pairs]))]
    kept, of_class = [], {}
    for pair in pairs:
        row, number = divmod(int(pair), score.shape[1])
        if nms["sized"] and (box[row, 2:] <= box[row, :2]).any():
            continue
        before = of_class.setdefault(number, [])
        if not before or overlaps(box[row], numpy.array(before)).max() <= nms["overlap"]:
            before.append(box[row])
            kept.append([*box[row], score[row, number], number])
        if len(kept) == nms["keep"]:
            break
    return numpy.array(kept, "float32").reshape(-1, 6)


def missing(got, want):
    """How many of the wanted detections [D,6], of which those of class -1 are none, are not there."""
    got, lost = list(got), 0
    for w in want[want[:, 5] >= 0]:
        near = [i for i, g in enumerate(got) if g[5] == w[5] and abs(g[4] - w[4]) <= 1e-3
                and numpy.abs(g[:4] - w[:4]).max() <= 0.5]
        lost += not near
        if near:
            del got[near[0]]
    return lost


def compare(name, heads, logits, deltas, want):
    """Prints how many of the wanted detections [N,D,6] there are; whether almost all: one may lie
    at a threshold."""
    want = want.reshape(len(want), -1, 6)
    lost = sum(missing(detections(heads, *x), w) for *x, w in zip(logits, deltas, want))
    count = int((want[:, :, 5] >= 0).sum())
    good = lost <= count // 100
    print("%s: %s: %d of %d detections are the same" %
          (name, "ok" if good else "DIFFERS", count - lost, count))
    return good
