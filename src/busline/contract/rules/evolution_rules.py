"""The rules of `busline.contract.evolution.levels` and `.traps`: why each finding is one, and the way out."""

from __future__ import annotations

from typing import Final

from busline.contract.rules.rule import Page, error, warning

COMPATIBILITY_LEVEL: Final = error(
    "compatibility-level",
    "A new version keeps the contract's level of compatibility.",
    Page(
        why="`backward`: who moves to the new version still meets what older ones wrote, in the log and from publishers"
        " that lag behind. `forward`: who stays meets what the new one writes. `full`: both. `-transitive`: with every"
        " older version. The default is backward-transitive; for partner and public contracts, whose readers cannot be"
        " asked, full-transitive. The verdict is that of Avro's Java SchemaCompatibility.",
        bad='2.avsc: {"name": "coupon", "type": "string"}    # version 1 did not write it',
        good='2.avsc: {"name": "coupon", "type": ["null", "string"], "default": null}',
        mend="Each finding names the smallest change. `busline diff CONTRACT` shows both versions and who reads them.",
    ),
)
SYMBOL_ADDED: Final = warning(
    "enum-symbol-added",
    "An enum grows when its readers have a default for symbols that they do not know.",
    Page(
        why="A reader of an older version fails on the first event with the new symbol, unless its enum has a default.",
        bad='1.avsc: "symbols": ["WEB"]    2.avsc: "symbols": ["WEB", "SHOP"]',
        good='2.avsc: "symbols": ["WEB", "OTHER"], "default": "OTHER"    3.avsc: adds "SHOP"',
        mend="Publish the default first; add the symbol when every reader has moved to it.",
    ),
)
FIELD_DEFAULT: Final = warning(
    "enum-default-on-field",
    "A field's default is not its enum's default.",
    Page(
        why="The default of a field stands in for a field that was not written. For a symbol that a reader does not"
        " know only the default inside the enum does: without it, readers of older versions fail.",
        bad='{"name": "channel", "type": {"type": "enum", …}, "default": "OTHER"}',
        good='{"name": "channel", "type": {"type": "enum", …, "default": "OTHER"}}',
        mend="Publish a version with the default in the enum, and add symbols when every reader has moved to it.",
    ),
)
ALIAS_OF_NEIGHBOUR: Final = error(
    "alias-of-neighbour",
    "An alias names a field that was this one, never one that stood beside it.",
    Page(
        why="Where both are written, both answer to the field. Java's library throws; fastavro and others take one of"
        " them, the wrong one, without an error. The same holds for one alias of two fields, and for a name that comes"
        " back after it has become an alias.",
        bad='1.avsc: total, net    2.avsc: {"name": "net", "aliases": ["total"]}',
        good='1.avsc: total         2.avsc: {"name": "gross", "aliases": ["total"]}',
        mend="Take the alias away: it is another field, which needs a default where it is not written.",
    ),
    always=True,
)
TYPE_UNDER_ALIAS: Final = warning(
    "type-changed-under-alias",
    "A field is renamed or changes its type, not both at once.",
    Page(
        why="Clients that do not follow aliases see one field go and another come; those that do convert the type on"
        " top. Nobody sees both changes where one is expected.",
        bad='1.avsc: {"name": "count", "type": "int"}    2.avsc: {"name": "sum", "aliases": ["count"], "type": "long"}',
        good='2.avsc: {"name": "sum", "aliases": ["count"], "type": "int"}',
        mend="Rename in one version, change the type in another; or add a new field beside the old one.",
    ),
)
MEANING_CHANGED: Final = warning(
    "meaning-changed",
    "The same bytes go on meaning the same: logical type, decimal scale, unit of time.",
    Page(
        why="Levels do not look at logical types. Old events stay in the log as they were written, so whoever reads by"
        " one version gets the other's values off by a factor, or plain numbers for instants, without an error. A"
        " change of scale or unit is an error, other changes of a logical type are warnings.",
        bad='1.avsc: "logicalType": "timestamp-millis"    2.avsc: "logicalType": "timestamp-micros"',
        good="2.avsc: a new field in the new unit, beside the old one",
        mend="Keep it. What means something else is a field of its own.",
    ),
)
DEFAULT_CHANGED: Final = warning(
    "default-changed",
    "A default stays what it was.",
    Page(
        why="An event that lacks the field is read with the default of whoever reads it: one event, two values,"
        " depending on the version.",
        bad='1.avsc: "currency", "default": "EUR"    2.avsc: "currency", "default": "USD"',
        good="publishers write the new value; the default stays",
        mend="Keep the default, and let publishers write the field.",
    ),
)
EVOLUTION: Final = (
    COMPATIBILITY_LEVEL,
    SYMBOL_ADDED,
    FIELD_DEFAULT,
    ALIAS_OF_NEIGHBOUR,
    TYPE_UNDER_ALIAS,
    MEANING_CHANGED,
    DEFAULT_CHANGED,
)
