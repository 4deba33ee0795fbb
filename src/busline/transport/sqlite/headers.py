"""Headers as one blob: count, the names' lengths, the values' lengths (32 bits each), names, values."""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise

from busline.record import Headers


def encode_headers(headers: Headers) -> bytes:
    if not headers:
        return b""
    names = [name.encode() for name, _ in headers]
    values = [value for _, value in headers]
    count = len(names)
    return b"".join(
        [struct.pack(f">{2 * count + 1}I", count, *map(len, names), *map(len, values)), *names, *values],
    )


def decode_headers(blob: bytes) -> Headers:
    if not blob:
        return ()
    (count,) = struct.unpack_from(">I", blob)
    ends = list(accumulate(struct.unpack_from(f">{2 * count}I", blob, 4), initial=8 * count + 4))
    parts = [blob[start:end] for start, end in pairwise(ends)]
    return tuple(zip((name.decode() for name in parts[:count]), parts[count:], strict=True))
