"""Fields that the schemas of a made-up workspace have: with types, docs and examples."""

from typing import Any, Final, NamedTuple


class Template(NamedTuple):
    """A field that a schema may have. `{}` in a doc or a type's name stands for what the contract is about.

    default: what an added field stands for in older events; required fields have none.
    """

    name: str
    type: Any
    doc: str
    example: Any
    default: Any = None
    pii: bool = False


def _logical(kind: str, name: str, **more: int) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


INSTANT: Final = _logical("long", "timestamp-micros")
DECIMAL: Final = _logical("bytes", "decimal", precision=12, scale=2)
DAY: Final = _logical("int", "date")
UUID: Final = _logical("string", "uuid")
MOMENT: Final = "2026-03-01T08:30:00Z"
CHANNELS: Final = {
    "type": "enum",
    "name": "{}Channel",
    "doc": "Where a {} came in.",
    "symbols": ["UNKNOWN", "WEB", "APP", "PHONE", "SHOP"],
    "default": "UNKNOWN",
}
LINE: Final = {
    "type": "record",
    "name": "{}Line",
    "doc": "One position of a {}.",
    "fields": [
        {"name": "sku", "type": "string", "doc": "The article, as the catalog names it."},
        {"name": "quantity", "type": "int", "doc": "How many pieces, at least 1."},
        {"name": "unit_price", "type": DECIMAL, "doc": "For one piece, taxes included, in EUR."},
    ],
}
PLACE: Final = {
    "type": "record",
    "name": "{}Place",
    "doc": "Where a {} is.",
    "fields": [
        {"name": "country", "type": "string", "doc": "Two letters, ISO 3166."},
        {"name": "postcode", "type": ["null", "string"], "doc": "Absent where a country has none.", "default": None},
        {
            "name": "position",
            "type": {
                "type": "record",
                "name": "{}Position",
                "fields": [
                    {"name": "latitude_degrees", "type": "double", "doc": "WGS 84, north is positive."},
                    {"name": "longitude_degrees", "type": "double", "doc": "WGS 84, east is positive."},
                ],
            },
            "doc": "The middle of its area.",
        },
    ],
}
HAND: Final = [
    {
        "type": "record",
        "name": "{}ByPerson",
        "doc": "A person did it.",
        "fields": [{"name": "desk", "type": "string", "doc": "The desk where it was done."}],
    },
    {
        "type": "record",
        "name": "{}ByRule",
        "doc": "A rule did it.",
        "fields": [
            {"name": "rule", "type": "string", "doc": "The rule's name."},
            {"name": "score_percent", "type": "int", "doc": "How sure it was, 0 to 100 percent."},
        ],
    },
]
PLACED: Final = {
    "country": "DE",
    "postcode": "10115",
    "position": {"latitude_degrees": 52.53, "longitude_degrees": 13.38},
}

REQUIRED: Final = (
    Template("occurred_at", INSTANT, "When it happened to the {}, by the clock of the system that saw it.", MOMENT),
    Template("total", DECIMAL, "What the {} comes to, taxes included, in EUR.", "129.90"),
    Template("currency", "string", "ISO 4217, three letters.", "EUR"),
    Template(
        "lines",
        {"type": "array", "items": LINE},
        "The positions of the {}, as they were entered.",
        [
            {"sku": "A-100", "quantity": 2, "unit_price": "9.95"},
        ],
    ),
    Template("channel", CHANNELS, "Where the {} came in.", "WEB"),
    Template("done_by", HAND, "Who or what did it.", {"desk": "returns-2"}),
    Template("place", PLACE, "Where the {} was at that moment.", PLACED),
    Template("customer_id", UUID, "Whom the {} is for.", "0d9fb5a4-6c1f-4c43-8f0e-6dc7c9a1e6a7", pii=True),
    Template("valid_from", DAY, "First day on which the {} holds.", "2026-03-01"),
    Template("weight_grams", "int", "Weight of the {} as it was measured, in grams.", 1250),
    Template("attributes", {"type": "map", "values": "string"}, "What else is known of the {}, by name.", {"a": "b"}),
    Template("email", "string", "Where the one who owns the {} is written to.", "ada@acme.example", pii=True),
    Template("is_test", "boolean", "True where the {} was made by a test and concerns nobody.", False),
)
ADDED: Final = (
    Template("note", ["null", "string"], "What somebody wrote beside the {}; absent where nobody did.", "by hand"),
    Template("campaign", "string", "The campaign that led to the {}; empty where none did.", "spring", ""),
    Template("discount_percent", ["null", "int"], "Granted on the {}, 0 to 100 percent.", 15),
    Template("expires_at", ["null", INSTANT], "From then on the {} is void; absent: it stays.", MOMENT),
    Template("labels", {"type": "array", "items": "string"}, "Words that people gave the {}.", ["gift"], []),
    Template("attempt_count", "int", "How often the {} was tried before.", 1, 0),
    Template("source_system", "string", "Which system the {} was entered in.", "till-7", "unknown"),
    Template("is_gift", "boolean", "Whether the {} is a present for somebody else.", True, False),
    Template("parent_id", ["null", UUID], "What the {} was split from.", "9a0f4f0e-8a5e-4a39-9f57-0c3ce2f2bd7e"),
    Template("shipping_cost", ["null", DECIMAL], "What carrying the {} costs, in EUR.", "4.90"),
    Template("due_date", ["null", DAY], "The day on which the {} is due.", "2026-04-01"),
    Template("distance_km", ["null", "double"], "How far the {} travels, in kilometres.", 12.5),
)
