"""The rules of readers, consent and lifecycle: why each finding is one, and the way out."""

from __future__ import annotations

from typing import Final

from busline.contract.rules.rule import Page, error, warning

_RENAMED: Final = "2.avsc renames total to amount; billing reads total"
_BESIDE: Final = "2.avsc adds amount beside total; billing reads amount; 3.avsc drops total"

READERS: Final = (
    error(
        "reader-fails",
        "No reader fails on a new version, unless its team agreed.",
        Page(
            why="The service named cannot decode the first event of that version: it dead-letters or stops.",
            bad=_RENAMED,
            good=_BESIDE,
            mend="Follow the recipe that `busline check` prints, or ask the team named: it agrees under `accepts` in"
            " its own service file, with why and until. There is no other way round.",
        ),
        always=True,
    ),
    error(
        "reader-blind",
        "No reader goes blind on a new version, unless its team agreed.",
        Page(
            why="The service decodes, but a field that its code reads is gone and its default stands in: wrong numbers,"
            " and no error.",
            bad=_RENAMED + "? (it has a default)",
            good=_BESIDE,
            mend="Follow the recipe that `busline check` prints, or ask the team named to agree in its own file.",
        ),
        always=True,
    ),
    warning(
        "reader-told",
        "People, and services that only read, are told of changes.",
        Page(
            why="They may read every field, so any of them may be missed; nobody waits for their word.",
            bad="a field dropped without a word to marketing/people",
            good="the field deprecated first: `fields: {total: {deprecated: {since: …, use: amount}}}`",
            mend="Nothing has to be done. A deprecation tells them in time.",
        ),
    ),
    warning(
        "reader-accepted",
        "What a reader's team agreed to is told.",
        Page(
            why="Consent runs out: its day is named here before it does.",
            bad="an `accepts` whose day nobody remembers",
            good="the reader moved before that day",
            mend="Nothing has to be done now.",
        ),
    ),
    warning(
        "publisher-behind",
        "Who still writes an older version is told.",
        Page(
            why="Until every publisher writes the new version, readers meet both.",
            bad="publishes: {orders.order-placed: 1}    # 2 is the newest",
            good="publishes: {orders.order-placed: 2}",
            mend="Move the service's model to the new version and run `busline declare`.",
        ),
    ),
    warning(
        "publisher-cannot-fill",
        "A publisher can fill the new version.",
        Page(
            why="It lacks a value for a field without a default, so it stays on the old version.",
            bad='2.avsc: {"name": "channel", "type": "string"}    # checkout does not know it',
            good='2.avsc: {"name": "channel", "type": "string", "default": "web"}',
            mend="Give the field a default, or let the service write it.",
        ),
    ),
    error(
        "accepts-expired",
        "An acceptance that is needed has not run out.",
        Page(
            why="The team agreed until a day, and the version still hurts it.",
            bad="accepts: [{contract: orders.order-placed, version: 3, why: …, until: 2026-01-31}]    # in February",
            good="the reader moved, and the line removed",
            mend="Move to a version that fits, or agree anew in that file.",
        ),
        always=True,
    ),
    warning(
        "accepts-unused",
        "An acceptance agrees to something.",
        Page(
            why="One that is not needed would let a later break pass unseen.",
            bad="accepts of a version that does not hurt the service",
            good="accepts: []",
            mend="Remove the line.",
        ),
    ),
)
LIFECYCLE: Final = (
    error(
        "announced-earlier",
        "Announced dates never get earlier.",
        Page(
            why="Others planned by them.",
            bad="deprecation: {since: 2026-01-01, sunset: 2026-06-30}    # was 2026-12-31",
            good="deprecation: {since: 2026-01-01, sunset: 2026-12-31}",
            mend="Restore the date, or a later one.",
        ),
        always=True,
    ),
    error(
        "deprecated-subscription",
        "Nobody begins to subscribe to what will go.",
        Page(
            why="Each new reader makes the end later.",
            bad="subscribes: {orders.order-placed: {version: 2}}    # deprecated since January",
            good="subscribes: {orders.order-placed-v2: {version: 1}}",
            mend="Take the replacement that the contract names.",
        ),
        always=True,
    ),
    error(
        "sunset-over",
        "Nobody publishes or subscribes after the sunset.",
        Page(
            why="From that day the bus refuses it at its start.",
            bad="a subscription to a contract whose sunset was yesterday",
            good="the subscription moved to the replacement",
            mend="Move, or ask the owner for a later day.",
        ),
        always=True,
    ),
    warning(
        "deprecated-use",
        "Who uses what will go is told.",
        Page(
            why="The day comes, and after it the service does not start.",
            bad="a subscription that stays until the last day",
            good="the subscription moved to the replacement",
            mend="Move before the sunset.",
        ),
    ),
    warning(
        "deprecated-field",
        "Who reads a field that will go is told.",
        Page(
            why="The owner drops it when nobody reads it any more.",
            bad="fields: [total]    # deprecated, use amount",
            good="fields: [amount]",
            mend="Read the field that is named instead, and run `busline declare`.",
        ),
    ),
)
