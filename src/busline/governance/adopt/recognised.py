"""Topics that are no streams of anybody: what Kafka's own tools keep in Kafka, recognised by their names."""

from __future__ import annotations

import re
from typing import Final

from busline.names import RESERVED_TEAM

_KINDS: Final = (
    (rf"{RESERVED_TEAM}\..*", "busline's own"),
    (r"__.*", "Kafka's own"),
    (r"_schemas.*|kafkasql-journal|kafkasql-snapshots", "a schema registry's own"),
    (r"_confluent.*|confluent\..*|_kafka-.*", "Confluent's own"),
    (r"_?connect-(configs?|offsets?|status(es)?)|.*-connect-(configs?|offsets?|status(es)?)|connect-.*",
     "Kafka Connect's own"),
    (r".*-KSTREAM-.*|.*-KTABLE-.*|.*-changelog|.*-repartition|.*-subscription-(registration|response)-topic",
     "internal to a Kafka Streams application"),
    (r"heartbeats|.*\.heartbeats|.*\.checkpoints\.internal|mm2-.*\.internal|.*mm2-offset-syncs.*", "MirrorMaker's own"),
    (r"_.*cruise-?control.*|__?CruiseControl.*|__?Kafka(CruiseControl|MonitorSample).*", "Cruise Control's own"),
    (r"_redpanda.*|_strimzi.*|strimzi\..*|_burrow.*", "the platform's own"),
)  # fmt: skip
_PATTERNS: Final = tuple((re.compile(pattern), whose) for pattern, whose in _KINDS)


def tool_of(topic: str) -> str | None:
    """Whose internal topic it is; None for what may be a stream."""
    return next((whose for pattern, whose in _PATTERNS if pattern.fullmatch(topic)), None)
