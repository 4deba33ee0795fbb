"""Avro files: what is written is what fastavro reads, over many blocks, and an empty one is a file too."""

import io
from typing import Any

import fastavro
import pytest

from busline.codec.codec import Codec
from busline.codec.container import ContainerWriter
from busline.contract.schema import parse

SCHEMA = parse(
    {"type": "record", "name": "a.B", "fields": [{"name": "n", "type": "long"}, {"name": "s", "type": "string"}]}
)


@pytest.mark.parametrize("count", [0, 1, 20_000])
def test_what_is_written_is_what_is_read(count: int) -> None:
    values = [{"n": n - 5, "s": f"é{n}"} for n in range(count)]
    file = io.BytesIO()
    writer = ContainerWriter(file, SCHEMA)
    encode = Codec(SCHEMA).encode
    writer.write(encode(value) for value in values)
    writer.close()
    file.seek(0)
    reader: Any = fastavro.reader(file)
    assert reader.codec == "deflate"
    assert list(reader) == values
