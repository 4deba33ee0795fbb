""".avro files, written by fastavro and read by the codec, and the other way about."""

from pathlib import Path

import fastavro
import pytest

from busline.codec.codec import Codec
from busline.contract.fake import Fakes
from busline.contract.schema import parse

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID"]}},
        {"name": "coupon", "type": ["null", "string"]},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "counts", "type": {"type": "array", "items": "long"}},
    ],
}


@pytest.mark.parametrize("compression", ["null", "deflate"])
def test_what_the_codec_wrote_is_a_file_that_fastavro_reads(tmp_path: Path, compression: str) -> None:
    codec = Codec(SCHEMA)
    values = [Fakes(seed).value(parse(SCHEMA)) for seed in range(50)]
    path = tmp_path / "orders.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [codec.decode(codec.encode(v)) for v in values], codec=compression)
    with path.open("rb") as file:
        assert list(fastavro.reader(file)) == values


def test_the_blocks_of_a_file_are_read_by_the_codec(tmp_path: Path) -> None:
    values = [Fakes(seed).value(parse(SCHEMA)) for seed in range(50)]
    path = tmp_path / "orders.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, values)
    with path.open("rb") as file:
        blocks = list(fastavro.block_reader(file))
        written = blocks[0].writer_schema
        count = sum(block.num_records for block in blocks)
        payload = b"".join(block.bytes_.getvalue() for block in blocks)
    together = Codec({"type": "array", "items": written})
    framed = Codec("long").encode(count) + payload + b"\x00"
    assert together.decode(framed) == values
