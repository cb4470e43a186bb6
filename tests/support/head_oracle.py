"""The slow, obvious version: one instance, one member, one unit at a time, plain Python."""

import math

MASK64 = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def stream(seed, layer, key):
    start = mix((mix(seed & MASK64) + (layer + 1) * 0x9E3779B97F4A7C15) & MASK64)
    return mix((key + start) & MASK64)


def unit_bit(seed, layer, key, unit, p):
    """Is `unit` on the learned side of `key`? Compare a random fraction with p, bit by bit."""
    expansion = f"{min(max(round(p * 2**24), 1), 2**24 - 1):024b}".rstrip("0")
    depth = len(expansion)
    state = stream(seed, layer, key)
    word, place = divmod(unit, 64)
    # The most significant bit of p is folded in last, so it is decided by the last plane.
    for plane in range(depth):
        counter = word * depth + (depth - 1 - plane) + 1
        fair = (mix((state + counter * 0x9E3779B97F4A7C15) & MASK64) >> place) & 1
        if plane == depth - 1 or str(1 - fair) != expansion[plane]:
            # u < p is decided as soon as the fair bit differs from the bit of p.
            return fair == 1 if plane == depth - 1 else expansion[plane] == "1"
    raise AssertionError("unreachable")


def mask(config, member, key):
    own = config.width // 2 if config.twin else config.width
    bits = [unit_bit(config.seed, member, key, u, config.p) for u in range(own)]
    return bits + [not b for b in bits] if config.twin else bits


def logits(head, member, x, units):
    """Logits of one member with per-unit scales `units`, by hand."""
    W1, b1, W2 = head.W1[member].tolist(), head.b1[member].tolist(), head.W2[member].tolist()
    out = [0.0] * head.config.classes
    for u, scale in enumerate(units):
        activation = max(b1[u] + sum(xi * W1[i][u] for i, xi in enumerate(x)), 0.0) * scale
        for c in range(head.config.classes):
            out[c] += activation * W2[u][c]
    return out


def sides(head, member, x, key):
    """(learned, flipped, full) logits of one instance's masks on features x."""
    bits = mask(head.config, member, key)
    p = head.config.p
    learned = logits(head, member, x, [b / p for b in bits])
    flipped = logits(head, member, x, [(1 - b) / p for b in bits])
    return learned, flipped, logits(head, member, x, [1.0] * len(bits))


def loss(values, label):
    high = max(values)
    return high + math.log(sum(math.exp(v - high) for v in values)) - values[label]


def influence(head, x, label, key):
    """Mean over members of flipped loss minus learned loss, and its standard error."""
    gaps = []
    for member in range(head.config.members):
        learned, flipped, _ = sides(head, member, x, key)
        gaps.append(loss(flipped, label) - loss(learned, label))
    mean = sum(gaps) / len(gaps)
    if len(gaps) < 2:
        return mean, float("nan")
    spread = sum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1)
    return mean, math.sqrt(spread / len(gaps))
