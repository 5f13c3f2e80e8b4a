"""The float twins of detectors in PyTorch, with torchvision's own anchors, matching, sampling,
suppression and losses (twins.py has the other networks). As there, forward is what is exported for
other engines: what the network says of its anchors, or of its proposals, before any suppression.
"""
from types import SimpleNamespace

import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision.models.detection import _utils, anchor_utils, roi_heads, rpn, ssd
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, box_iou, clip_boxes_to_image, roi_align

from twins import Block, Normed, resnet

PROPOSALS = 1000


def targets(batch, side):
    """Seven squares a sample, from the upper left corner, all of the first class."""
    boxes = torch.arange(1, 8).float()[:, None] / 8 * side * torch.tensor([0, 0, 1, 1])
    return [{"boxes": boxes, "labels": torch.ones(7, dtype=torch.int64)} for _ in range(batch)]


class Detector(nn.Module):
    def targets(self, batch):
        return targets(batch, self.side)


class Ssd(Detector):
    def __init__(self, shape, classes, norms):
        super().__init__()
        self.side, cin, number = shape[1], shape[0], 0
        stages = [[], []]  # to the fourth's convolutions; from there
        for stage, (count, width) in enumerate(zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512))):
            for _ in range(count):
                conv = nn.Conv2d(cin, width, 3, 1, 1, bias=not norms)
                stages[number] += [Normed(conv) if norms else conv, nn.ReLU()]
                cin = width
            number = 1 if stage >= 3 else 0
            stages[number] += [nn.MaxPool2d(2, 2, 0, ceil_mode=True) if stage < 4 else
                               nn.MaxPool2d(3, 1, 1)]
        stages[1] += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(),
                      nn.Conv2d(1024, 1024, 1), nn.ReLU()]
        self.first, self.second = (nn.Sequential(*stage) for stage in stages)
        self.scale = nn.Parameter(torch.full((512,), 20.0))
        self.extra = nn.ModuleList(
            nn.Sequential(nn.Conv2d(cin, cout // 2, 1), nn.ReLU(),
                          nn.Conv2d(cout // 2, cout, 3, stride, stride - 1), nn.ReLU())
            for cin, cout, stride in ((1024, 512, 2), (512, 256, 2), (256, 256, 1), (256, 256, 1)))
        self.anchors = anchor_utils.DefaultBoxGenerator(
            [[2], [2, 3], [2, 3], [2, 3], [2], [2]], steps=[8, 16, 32, 64, 100, 300])
        self.head = ssd.SSDHead([512, 1024, 512, 256, 256, 256],
                                self.anchors.num_anchors_per_location(), classes + 1)
        self.rule = SimpleNamespace(box_coder=_utils.BoxCoder((10.0, 10.0, 5.0, 5.0)),
                                    neg_to_pos_ratio=3)
        self.match = _utils.SSDMatcher(0.5)

    def maps(self, x):
        x = self.first(x)
        maps = [self.scale.view(1, -1, 1, 1) * F.normalize(x), self.second(x)]
        for layer in self.extra:
            maps.append(layer(maps[-1]))
        return maps

    def forward(self, x):
        said = self.head(self.maps(x))
        return said["cls_logits"], said["bbox_regression"]

    def loss(self, y, x):
        maps = self.maps(x)
        said = self.head(maps)
        anchors = self.anchors(ImageList(x, [tuple(x.shape[2:])] * len(x)), maps)
        matched = [self.match(box_iou(t["boxes"], a)) for t, a in zip(y, anchors)]
        return sum(ssd.SSD.compute_loss(self.rule, y, said, anchors, matched).values())


def fixed(module, frozen=False):
    """Its batch norms are those of a classifier, and do not learn."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval().requires_grad_(False)
    return module.requires_grad_(False) if frozen else module


class Regions(nn.Module):
    """The fourth stage of the network, on each region."""

    def __init__(self):
        super().__init__()
        self.stage = fixed(nn.Sequential(Block(256, 512, 2), Block(512, 512, 1)))

    def forward(self, x):
        return self.stage(x).mean((2, 3))


class Verdict(nn.Module):
    """Boxes of all classes but the background, which torchvision would have, too."""

    def __init__(self, classes):
        super().__init__()
        self.cls, self.reg = nn.Linear(512, classes + 1), nn.Linear(512, 4 * classes)

    def forward(self, x):
        return self.cls(x), F.pad(self.reg(x), (4, 0))


class FasterRcnn(Detector):
    def __init__(self, shape, classes):
        super().__init__()
        self.side = shape[1]
        parts = list(resnet([2, 2, 2], 64, (shape[0], 224, 224), classes))[:-3]
        self.first = fixed(nn.Sequential(*parts[:5]), frozen=True)  # to the first stage
        self.second = fixed(nn.Sequential(*parts[5:]))
        self.anchors = anchor_utils.AnchorGenerator(((32, 64, 128, 256, 512),), ((0.5, 1.0, 2.0),))
        self.rpn = rpn.RegionProposalNetwork(
            self.anchors, rpn.RPNHead(256, 15), 0.7, 0.3, 256, 0.5,
            {"training": 12000, "testing": 6000}, {"training": 2000, "testing": PROPOSALS}, 0.7)
        self.roi = roi_heads.RoIHeads(MultiScaleRoIAlign(["0"], 14, 0), Regions(), Verdict(classes),
                                      0.5, 0.5, 512, 0.25, (10.0, 10.0, 5.0, 5.0), 0.02, 0.5, 100)

    def loss(self, y, x):
        images = ImageList(x, [tuple(x.shape[2:])] * len(x))
        maps = {"0": self.second(self.first(x))}
        proposals, losses = self.rpn(images, maps, y)
        return sum(losses.values()) + sum(self.roi(maps, proposals, images.image_sizes, y)[1].values())

    def forward(self, x):
        """The likeliest proposals, of which none is suppressed."""
        seen = self.second(self.first(x))
        score, delta = self.rpn.head([seen])
        score = score[0].permute(0, 2, 3, 1).flatten(1)
        delta = delta[0].unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
        anchors = self.anchors(ImageList(x, [tuple(x.shape[2:])] * len(x)), [seen])[0]
        best = score.topk(min(PROPOSALS, score.shape[1])).indices
        boxes = torch.cat([self.rpn.box_coder.decode_single(delta[i][best[i]], anchors[best[i]])
                           for i in range(len(x))])
        boxes = clip_boxes_to_image(boxes, tuple(x.shape[2:]))
        whose = torch.arange(len(x)).repeat_interleave(best.shape[1])[:, None].to(boxes.dtype)
        rois = torch.cat([whose, boxes], 1)
        regions = roi_align(seen, rois, 14, 1 / 16, aligned=True)
        return self.roi.box_predictor(self.roi.box_head(regions))


NETWORKS = {
    "ssd300_vgg16": lambda shape, classes: Ssd(shape, classes, True),
    "ssd300_vgg16_plain": lambda shape, classes: Ssd(shape, classes, False),
    "faster_rcnn_resnet18": FasterRcnn,
}
