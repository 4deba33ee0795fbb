"""The codec against pydantic + fastavro on the same model: events a second, decoding with validation, and encoding."""

import asyncio
import io
import time
from collections.abc import Callable, Sequence

import fastavro

from benchmarks.harness import Case, Measure, side_by_side, table
from benchmarks.models import OrderPlaced, order
from busline.codec.codec import Codec

EVENTS = 5_000


def per_second(call: Callable[[object], object], inputs: Sequence[object]) -> Measure:
    async def measure() -> float:
        began = time.perf_counter()
        for one in inputs:
            call(one)
        return len(inputs) / (time.perf_counter() - began)

    return measure


def decode_with_fastavro(schema: object) -> Callable[[object], object]:
    def decode(data: object) -> object:
        return OrderPlaced.model_validate(fastavro.schemaless_reader(io.BytesIO(data), schema, None))

    return decode


def encode_with_fastavro(schema: object) -> Callable[[object], object]:
    def encode(event: object) -> object:
        out = io.BytesIO()
        values = event.model_dump()
        values["status"] = values["status"].value
        fastavro.schemaless_writer(out, schema, values)
        return out.getvalue()

    return encode


async def cases() -> list[Case]:
    codec = Codec(OrderPlaced)
    schema = fastavro.parse_schema(OrderPlaced.__busline__.schema.json)
    events = [order(number) for number in range(EVENTS)]
    payloads = [codec.encode(event) for event in events]
    decoding = {
        "busline": per_second(codec.decode, payloads),
        "fastavro + pydantic": per_second(decode_with_fastavro(schema), payloads),
    }
    encoding = {
        "busline": per_second(codec.encode, events),
        "fastavro + pydantic": per_second(encode_with_fastavro(schema), events),
    }
    return [
        await side_by_side("codec: decode with validation", "events/s", decoding),
        await side_by_side("codec: encode", "events/s", encoding),
    ]


if __name__ == "__main__":
    print(table(asyncio.run(cases())))
