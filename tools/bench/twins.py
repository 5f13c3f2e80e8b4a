"""The float twins of models/nets/ in PyTorch, for the workers that bnn-bench compares with. Every
sample is an image N C H W, a cloud of points or a row of frames one of height 1. Trained fastest
they are in channels_last, but for what names another `layout`."""
import torch
import torch.nn as nn
import torch.nn.functional as F

import worker

DROPOUT = 0.1  # of networks of text
VOCABULARY = 30522


class Normed(nn.Module):
    """A product and the batch norm of its channels."""

    def __init__(self, product):
        super().__init__()
        conv = isinstance(product, nn.Conv2d)
        self.product = product
        self.norm = nn.BatchNorm2d(product.out_channels) if conv else \
            nn.BatchNorm1d(product.out_features)

    def forward(self, x):
        return self.norm(self.product(x))


# ---- images ----

class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = Normed(nn.Conv2d(cin, cout, 3, stride, 1, bias=False))
        self.conv2 = Normed(nn.Conv2d(cout, cout, 3, 1, 1, bias=False))
        self.down = nn.Identity()
        if stride != 1 or cin != cout:
            self.down = Normed(nn.Conv2d(cin, cout, 1, stride, bias=False))

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.down(x))


def resnet(blocks, width, shape, classes):
    channels, height, _ = shape
    if height <= 32:
        layers = [Normed(nn.Conv2d(channels, width, 3, 1, 1, bias=False)), nn.ReLU()]
    else:
        layers = [Normed(nn.Conv2d(channels, width, 7, 2, 3, bias=False)), nn.ReLU(),
                  nn.MaxPool2d(3, 2, 1)]
    cin = width
    for stage, count in enumerate(blocks):
        for i in range(count):
            cout = width << stage
            layers.append(Block(cin, cout, 2 if stage and i == 0 else 1))
            cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, classes))


def vgg_small(shape, classes):
    cin, height, width = shape
    layers = []
    for i in range(6):
        cout = 128 << (i // 2)
        conv = nn.Conv2d(cin, cout, 3, 1, 1, bias=False)
        layers += [conv, nn.MaxPool2d(2, 2), nn.BatchNorm2d(cout)] if i % 2 else [Normed(conv)]
        layers.append(nn.ReLU())
        cin = cout
    return nn.Sequential(*layers, nn.Flatten(),
                         nn.Linear(cin * (height // 8) * (width // 8), classes))


# ---- clouds of points, N C 1 points ----

def pointwise(cin, cout):
    return Normed(nn.Conv2d(cin, cout, 1))


def cloud(x):
    """All points as one: N C."""
    return F.adaptive_max_pool2d(x, 1).flatten(1)  # far faster than max() in training


def transformed(x, matrix):
    """Each point times its sample's matrix."""
    return (matrix.transpose(1, 2) @ x.squeeze(2)).unsqueeze(2)


class Transform(nn.Module):
    """A T-Net: the k x k matrix that it sees in the points."""

    def __init__(self, cin, k):
        super().__init__()
        self.points = nn.Sequential(pointwise(cin, 64), nn.ReLU(), pointwise(64, 128), nn.ReLU(),
                                    pointwise(128, 1024))
        self.fc = nn.Sequential(Normed(nn.Linear(1024, 512)), nn.ReLU(),
                                Normed(nn.Linear(512, 256)), nn.ReLU(), nn.Linear(256, k * k))
        self.k = k

    def forward(self, x):
        matrix = self.fc(cloud(self.points(x))).reshape(-1, self.k, self.k)
        return matrix + torch.eye(self.k)


class Align(Transform):
    """xyz are turned; what comes with them stays."""

    def __init__(self, cin):
        super().__init__(cin, 3)

    def forward(self, x):
        return torch.cat([transformed(x[:, :3], super().forward(x)), x[:, 3:]], 1)


class PointNet(nn.Module):
    def __init__(self, shape, classes, transforms):
        super().__init__()
        self.align = Align(shape[0]) if transforms else nn.Identity()
        self.conv1 = pointwise(shape[0], 64)
        self.transform = Transform(64, 64) if transforms else None
        self.conv2 = pointwise(64, 128)
        self.conv3 = pointwise(128, 1024)
        self.head = nn.Sequential(Normed(nn.Linear(1024, 512)), nn.ReLU(),
                                  Normed(nn.Linear(512, 256)), nn.ReLU(), nn.Linear(256, classes))

    def forward(self, x):
        x = F.relu(self.conv1(self.align(x)))
        if self.transform is not None:
            x = transformed(x, self.transform(x))
        return self.head(cloud(self.conv3(F.relu(self.conv2(x)))))


class PartSegmenter(nn.Module):
    layout = torch.contiguous_format
    penalty = 0.0

    def __init__(self, shape, parts):
        super().__init__()
        widths = [shape[0], 64, 128, 128, 512, 2048]
        self.align = Align(shape[0])
        self.conv = nn.ModuleList(map(pointwise, widths[:-1], widths[1:]))
        self.transform = Transform(128, 128)
        self.head = nn.Sequential(pointwise(sum(widths[1:]) + 2048, 256), nn.ReLU(),
                                  pointwise(256, 256), nn.ReLU(),
                                  pointwise(256, 128), nn.ReLU(), nn.Conv2d(128, parts, 1))

    def forward(self, x):
        x, features = self.align(x), []
        for i, conv in enumerate(self.conv):
            if i == 3:
                matrix = self.transform(x)
                x = transformed(x, matrix)
            x = conv(x) if i == 4 else F.relu(conv(x))
            features.append(x)
        if self.training:
            away = matrix @ matrix.transpose(1, 2) - torch.eye(self.transform.k)
            self.penalty = 0.001 * away.flatten(1).norm(dim=1).mean()
        whole = cloud(x)[:, :, None, None].expand_as(x)
        return self.head(torch.cat([whole] + features, 1)).squeeze(2)


# ---- sound, N 1 mels frames ----

def frames(x):
    """Mels beside channels: N C*mels 1 frames."""
    return x.flatten(1, 2).unsqueeze(2)


class FsmnLayer(nn.Module):
    """A dense layer of a frame is a convolution of one tap."""

    def __init__(self, cin):
        super().__init__()
        self.direct = nn.Conv2d(cin, 128, 1)
        self.memory = nn.Sequential(
            nn.Conv2d(cin, 256, (1, 7), padding=(0, 3), groups=cin, bias=False),
            nn.Conv2d(256, 128, 1, bias=False))
        self.act = nn.PReLU()

    def forward(self, x):
        return self.act(self.direct(x) + self.memory(x))


class Fsmn(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        channels, mels, length = shape
        self.layers = nn.Sequential(FsmnLayer(channels * mels), *[FsmnLayer(128) for _ in range(7)])
        self.fc = nn.Linear(128 * length, classes)

    def forward(self, x):
        return self.fc(self.layers(frames(x)).flatten(1))


class DeepFsmnLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = Normed(nn.Conv2d(128, 128, (1, 5), padding=(0, 2), groups=128))
        self.wide = pointwise(128, 256)
        self.narrow = pointwise(256, 128)

    def forward(self, x):
        x = F.relu(self.memory(x)) + x
        return F.relu(self.narrow(F.relu(self.wide(x)))) + x


class DeepFsmn(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        channels, mels, length = (shape[0], *((side + 3) // 4 for side in shape[1:]))
        self.front = nn.Sequential(Normed(nn.Conv2d(channels, 16, 5, 2, 2)), nn.ReLU(),
                                   Normed(nn.Conv2d(16, 32, 5, 2, 2)), nn.ReLU())
        self.fc1 = nn.Conv2d(32 * mels, 128, 1)
        self.layers = nn.Sequential(*[DeepFsmnLayer() for _ in range(8)])
        self.fc = nn.Linear(128 * length, classes)

    def forward(self, x):
        x = F.relu(self.fc1(frames(self.front(x))))
        return self.fc(self.layers(x).flatten(1))


# ---- text, ids, segments and masks of N tokens ----

class BertLayer(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(DROPOUT)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, mask):
        context = F.scaled_dot_product_attention(
            self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x)),
            attn_mask=mask, dropout_p=DROPOUT if self.training else 0.0)
        context = context.transpose(1, 2).flatten(2)
        x = self.norm1(self.dropout(self.output(context)) + x)
        return self.norm2(self.dropout(self.down(F.gelu(self.up(x)))) + x)


class Bert(nn.Module):
    """As Hugging Face computes it: attention fused, padding masked."""
    layout = torch.contiguous_format

    def __init__(self, layers, width, heads, inner, shape, classes):
        super().__init__()
        self.length = shape[2]
        self.word = nn.Embedding(VOCABULARY, width, padding_idx=0)
        self.position = nn.Embedding(512, width)
        self.segment = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(width, heads, inner) for _ in range(layers))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        self.dropout = nn.Dropout(DROPOUT)

    def sample(self, batch):
        ids = torch.randint(1, VOCABULARY, (batch, self.length))
        return ids, torch.zeros_like(ids), torch.ones_like(ids)

    def forward(self, ids, segment, mask):
        positions = torch.arange(ids.shape[1])
        x = self.word(ids) + self.position(positions) + self.segment(segment)
        x = self.dropout(self.norm(x))
        mask = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(self.dropout(torch.tanh(self.pooler(x[:, 0]))))


def bert(*sizes):
    return lambda shape, classes: Bert(*sizes, shape, classes)


# ---- boxes ----

def detector(arch):
    def build_detector(shape, classes):
        worker.load("torchvision")
        import detectors  # which builds on this file
        return detectors.NETWORKS[arch](shape, classes)
    return build_detector


NETWORKS = {
    "resnet18": lambda shape, classes: resnet([2, 2, 2, 2], 64, shape, classes),
    "resnet34": lambda shape, classes: resnet([3, 4, 6, 3], 64, shape, classes),
    "resnet20": lambda shape, classes: resnet([3, 3, 3], 16, shape, classes),
    "vgg_small": vgg_small,
    "pointnet": lambda shape, classes: PointNet(shape, classes, True),
    "pointnet_vanilla": lambda shape, classes: PointNet(shape, classes, False),
    "pointnet_partseg": PartSegmenter,
    "fsmn": Fsmn,
    "deep_fsmn": DeepFsmn,
    "bert_tiny4": bert(4, 312, 12, 1200),
    "bert_tiny6": bert(6, 768, 12, 3072),
    "bert_mini6": bert(6, 384, 12, 1536),
    "bert_base": bert(12, 768, 12, 3072),
    "ssd300_vgg16": detector("ssd300_vgg16"),
    "ssd300_vgg16_plain": detector("ssd300_vgg16_plain"),
    "faster_rcnn_resnet18": detector("faster_rcnn_resnet18"),
}


def sample(net, batch, shape):
    """Random inputs."""
    return net.sample(batch) if hasattr(net, "sample") else (torch.randn(batch, *shape),)


def build(arch, shape, classes, parameters):
    """The network for samples of that shape (C H W). A twin has as many parameters as what it is a
    twin of; a mistake here must not become a ratio."""
    if arch not in NETWORKS:
        raise ValueError("twins.py knows no network called " + arch)
    net = NETWORKS[arch](shape, classes)
    count = sum(p.numel() for p in net.parameters())
    if count != parameters:
        raise ValueError("%s has %d parameters in twins.py, but %d in bnn" %
                         (arch, count, parameters))
    return net
