"""ICC profiles of version 2, written from the specification."""

import struct

import numpy as np

D50 = np.array([0.9642, 1, 0.8249])
D65 = (0.3127, 0.3290)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def make_rgb_profile(primaries, gamma=2.2, white=D65):
    """Make a profile of three primaries, each (x, y), and a gamma, or ``"sRGB"`` for its curve."""
    columns = np.stack([_to_xyz(*point) for point in primaries], axis=1)
    white = _to_xyz(*white)
    columns = columns * np.linalg.solve(columns, white)
    scale = np.diag((BRADFORD @ D50) / (BRADFORD @ white))
    columns = np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ columns
    tags = [(name, _xyz(columns[:, i])) for i, name in enumerate([b"rXYZ", b"gXYZ", b"bXYZ"])]
    tags += [(name, _curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _assemble(b"RGB ", tags, white)


def make_grey_profile(gamma):
    """Make a profile for grey."""
    return _assemble(b"GRAY", [(b"kTRC", _curve(gamma))])


def _to_xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def _fixed(value):
    return struct.pack(">i", round(value * 65536))


def _xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _curve(gamma):
    if gamma != "sRGB":
        return b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    x = np.linspace(0, 1, 1024)
    y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    table = np.rint(y * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", 1024) + table


def _assemble(space, tags, white=D50):
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"made\0" + bytes(78)
    tags = [
        (b"desc", description),
        (b"wtpt", _xyz(white)),
        *tags,
        (b"cprt", b"text\0\0\0\0none\0"),
    ]
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(padded))
        body += padded
    head = struct.pack(">I4xI", start + len(body), 0x02400000) + b"mntr" + space + b"XYZ "
    head = (head + bytes(12) + b"acsp" + bytes(28)).ljust(68, b"\0") + b"".join(map(_fixed, D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
