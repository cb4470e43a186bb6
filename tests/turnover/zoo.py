"""Small networks of many kinds, each with turn-over layers: what scan and sides must get right.

`ZOO` maps a name to a function that makes the network, and a function that makes five rows for it.
All give three classes (one of them a single logit) and draw nothing at random when they run.
"""

from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from influence_core.turnover.inject.inject import inject
from influence_core.turnover.inject.norms import FrozenBatchNorm
from influence_core.turnover.layer import TurnoverDropout

ROWS, STEPS, SIZE, CLASSES = 5, 4, 8, 3


def vectors():
    return torch.randn(ROWS, SIZE)


def series():
    return torch.randn(ROWS, STEPS, SIZE)


def images():
    return torch.randn(ROWS, 3, 8, 8)


def ids():
    return torch.randint(0, 20, (ROWS, STEPS))


def last():
    return nn.Linear(SIZE, CLASSES)


class Recurrent(nn.Module):
    """A recurrent layer, a mask on every step (or on steps first), the last step's logits."""

    def __init__(self, kind, batch_first):
        super().__init__()
        self.rnn = kind(SIZE, SIZE, batch_first=batch_first)
        self.mask = TurnoverDropout(SIZE, row_dim=0 if batch_first else 1)
        self.last, self.batch_first = last(), batch_first

    def forward(self, x):
        if not self.batch_first:
            x = x.transpose(0, 1)
        h = self.mask(self.rnn(x)[0])
        return self.last(h[:, -1] if self.batch_first else h[-1])


class Encoder(nn.Module):
    """PyTorch's own encoder, masks in the places of all its dropouts; perhaps padded rows."""

    def __init__(self, batch_first=True, padded=False, norm_first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            SIZE, 2, 12, 0.0, batch_first=batch_first, norm_first=norm_first
        )
        self.encoder = nn.TransformerEncoder(
            layer, 2, enable_nested_tensor=batch_first and not norm_first
        )
        self.last, self.batch_first, self.padded = last(), batch_first, padded
        inject(self, "*")

    def forward(self, x):
        if not self.batch_first:
            return self.last(self.encoder(x.transpose(0, 1)).mean(0))
        if not self.padded:
            return self.last(self.encoder(x).mean(1))
        lengths = (x[:, 0, 0] > 0).long() + STEPS - 1
        padding = torch.arange(STEPS) >= lengths[:, None]
        h = self.encoder(x, src_key_padding_mask=padding)
        return self.last(h.masked_fill(padding[..., None], 0).sum(1))


class Decoder(nn.Module):
    """A decoder layer that reads a memory; the dropout of its attention stays a number."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.TransformerDecoderLayer(SIZE, 2, 12, 0.0, batch_first=True)
        self.memory, self.last = nn.Linear(SIZE, SIZE), last()
        inject(self, "decoder.*")

    def forward(self, x):
        return self.last(self.decoder(x[:, :2], self.memory(x)).mean(1))


class Tied(nn.Module):
    """One weight under two masks."""

    def __init__(self):
        super().__init__()
        self.a, self.last = nn.Linear(SIZE, SIZE), last()
        self.masks = nn.ModuleList([TurnoverDropout(SIZE), TurnoverDropout(SIZE)])

    def forward(self, x):
        for mask in self.masks:
            x = mask(self.a(x).tanh())
        return self.last(x)


class Shared(nn.Module):
    """A block, its mask included, called twice; its activation module before the mask, too."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Linear(SIZE, SIZE), self.act, TurnoverDropout(SIZE))
        self.first, self.last = nn.Linear(SIZE, SIZE), last()

    def forward(self, x):
        return self.last(self.block(self.block(self.act(self.first(x)) + 1)))


class Vit(nn.Module):
    """Patches, a class token, one attention block with a masked feed-forward part."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, SIZE, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, SIZE))
        self.norms = nn.ModuleList([nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)])
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(SIZE, 12), nn.GELU(), TurnoverDropout(12), nn.Linear(12, SIZE)
        )
        self.last = last()

    def forward(self, x):
        h = self.patches(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.token.expand(len(h), -1, -1), h], dim=1)
        q = self.norms[0](h)
        h = h + self.attention(q, q, q, need_weights=False)[0]
        return self.last((h + self.mlp(self.norms[1](h)))[:, 0])


class Lora(nn.Module):
    """A frozen weight and a low-rank change to it, the mask between its factors."""

    def __init__(self):
        super().__init__()
        self.base, self.last = nn.Linear(SIZE, SIZE).requires_grad_(False), last()
        self.a, self.b = nn.Linear(SIZE, 6, bias=False), nn.Linear(6, SIZE, bias=False)
        self.mask = TurnoverDropout(6)

    def forward(self, x):
        return self.last((self.base(x) + self.b(self.mask(self.a(x)))).relu())


class Residual(nn.Module):
    """A skip over the masked part, added in place or concatenated."""

    def __init__(self, dense=False):
        super().__init__()
        self.a, self.b, self.mask = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, SIZE), TurnoverDropout()
        self.dense, self.last = dense, nn.Linear(SIZE * (1 + dense), CLASSES)

    def forward(self, x):
        h = self.a(x).relu()
        masked = self.mask(self.b(h).relu())
        if self.dense:
            return self.last(torch.cat([h, masked], dim=1))
        h = h * 1  # the one before is still needed by `backward`
        h += masked
        return self.last(h)


class Gated(nn.Module):
    """Squeeze and excite: a masked gate multiplies the channels that it was made from."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, SIZE, 3), nn.Linear(SIZE, SIZE)
        self.mask, self.last = TurnoverDropout(SIZE), last()

    def forward(self, x):
        h = self.conv(x)
        gate = self.mask(self.gate(h.mean((2, 3))).sigmoid())
        return self.last((h * gate[..., None, None]).amax((2, 3)))


class Bag(nn.Module):
    """Embeddings summed over a bag of ids; called by keywords, answers with an object."""

    def __init__(self):
        super().__init__()
        self.bag, self.mask, self.last = nn.EmbeddingBag(20, SIZE), TurnoverDropout(SIZE), last()

    def forward(self, words, weights):
        return SimpleNamespace(logits=self.last(self.mask(self.bag(words) * weights).tanh()))


class Recomputed(nn.Module):
    """Gradient checkpointing around each masked part."""

    def __init__(self):
        super().__init__()
        parts = [nn.Sequential(nn.Linear(SIZE, SIZE), nn.ReLU(), TurnoverDropout(SIZE))]
        self.parts = nn.ModuleList(
            [*parts, nn.Sequential(nn.Linear(SIZE, SIZE), TurnoverDropout())]
        )
        self.last = last()

    def forward(self, x):
        for part in self.parts:
            x = checkpoint(part, x, use_reentrant=False)
        return self.last(x)


class Auxiliary(nn.Module):
    """A second head that only training runs; its mask may stay away."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(SIZE, SIZE), nn.ReLU(), TurnoverDropout(SIZE))
        self.aux = nn.Sequential(TurnoverDropout(SIZE, optional=True), last())
        self.last = last()

    def forward(self, x):
        h = self.body(x)
        return (self.last(h), self.aux(h)) if self.training else self.last(h)


class Experts(nn.Module):
    """Each row goes to one of two experts; a batch may need only one, and rows are gathered."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(SIZE, SIZE) for _ in range(2)])
        self.mask, self.last = TurnoverDropout(SIZE), last()

    def forward(self, x):
        first = (x[:, :1] > 0).to(x.dtype)
        h = first * self.experts[0](x) + (1 - first) * self.experts[1](x)
        return self.last(self.mask(h.relu()))


def compiled_part():
    model = nn.Sequential(nn.Linear(SIZE, SIZE), nn.Sequential(nn.ReLU(), TurnoverDropout(SIZE)))
    model[1].compile(backend="eager")
    return model.append(last())


def convolution(*middle, channels=SIZE):
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), *middle, nn.ReLU(True), TurnoverDropout(channels),
        nn.Conv2d(channels, SIZE, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last(),
    )  # fmt: skip


def dense(*middle, classes=CLASSES):
    return nn.Sequential(
        nn.Linear(SIZE, SIZE), *middle, nn.Tanh(), TurnoverDropout(SIZE), nn.Linear(SIZE, classes)
    )


def frozen_norm():
    norm = nn.BatchNorm2d(SIZE)
    nn.functional.batch_norm(
        torch.randn(9, SIZE, 2, 2), norm.running_mean, norm.running_var, training=True
    )
    return convolution(FrozenBatchNorm(norm))


def channels_1d():
    return nn.Sequential(
        nn.Conv1d(STEPS, SIZE, 3),
        TurnoverDropout(SIZE, dim=1),
        nn.Flatten(),
        nn.Linear(48, CLASSES),
    )


def weight_norm():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(SIZE, SIZE)), *dense())


ZOO = {
    "dense": (dense, vectors),
    "layer norm": (lambda: dense(nn.LayerNorm(SIZE)), vectors),
    "weight norm": (weight_norm, vectors),
    "one logit": (lambda: dense(classes=1), vectors),
    "lstm": (lambda: Recurrent(nn.LSTM, True), series),
    "gru, steps first": (lambda: Recurrent(nn.GRU, False), series),
    "encoder": (Encoder, series),
    "encoder, steps first": (lambda: Encoder(batch_first=False), series),
    "encoder, padded": (lambda: Encoder(padded=True), series),
    "encoder, norm first": (lambda: Encoder(norm_first=True), series),
    "decoder": (Decoder, series),
    "tied weights": (Tied, vectors),
    "shared block": (Shared, vectors),
    "convolution": (convolution, images),
    "group norm": (lambda: convolution(nn.GroupNorm(2, SIZE)), images),
    "frozen batch norm": (frozen_norm, images),
    "depthwise": (lambda: convolution(nn.Conv2d(SIZE, SIZE, 3, groups=SIZE)), images),
    "channels of a series": (channels_1d, series),
    "vit": (Vit, images),
    "lora": (Lora, vectors),
    "residual in place": (Residual, vectors),
    "dense connections": (lambda: Residual(dense=True), vectors),
    "gate": (Gated, images),
    "embedding bag": (Bag, lambda: {"words": ids(), "weights": torch.rand(ROWS, 1)}),
    "checkpointing": (Recomputed, vectors),
    "auxiliary head": (Auxiliary, vectors),
    "experts": (Experts, vectors),
    "compiled part": (compiled_part, vectors),
}
