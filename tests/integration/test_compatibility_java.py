"""Avro's Java library is the judge: its verdict and ours on pairs of schemas, made up and told by the specification."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from busline.contract.compatibility import Break, find_breaks
from busline.errors import SchemaInvalid
from busline.testing.schema_pairs import schema_pairs

PAIRS = 6_000
Verdicts = Callable[..., list[dict[str, Any]]]


def ours(reader: str, writer: str) -> list[Break] | None:
    try:
        return find_breaks(reader, writer)
    except SchemaInvalid:
        return None


def test_every_verdict_is_javas(avro_java: Verdicts) -> None:
    pairs = list(schema_pairs(20_261_124, PAIRS))
    answers = avro_java(pairs)
    assert len(answers) == PAIRS
    told = Counter(answer["verdict"] for answer in answers)
    assert told["compatible"] > PAIRS / 3
    assert told["incompatible"] > PAIRS / 6
    assert told["throws"] > PAIRS / 100
    for (reader, writer), answer in zip(pairs, answers, strict=True):
        breaks = ours(reader, writer)
        if answer["verdict"] == "unparsable":
            continue
        assert breaks is not None, (reader, writer, answer)
        assert (breaks == []) == (answer["verdict"] == "compatible"), (reader, writer, answer, breaks)
        if answer["verdict"] == "incompatible":
            assert {str(one.kind) for one in breaks} == {kind for kind, _ in answer["breaks"]}, (reader, writer)
