"""The rules that are evaluated elsewhere in the gate, so that each finding's rule has a page."""

from __future__ import annotations

from typing import Final

from busline.contract.rules.rule import Page, error, warning

INVALID: Final = error(
    "invalid",
    "The workspace's files can be read, and hold together.",
    Page(
        why="What cannot be read, or names what is not there, can be neither checked nor applied.",
        bad="key: ordr_id        # the schema has no such field",
        good="key: order_id",
        mend="Each finding names file, line, key and its fix. docs/contract-reference.md describes every key.",
    ),
    always=True,
)
GRANT_AUDIENCE: Final = error(
    "grant-audience",
    "No grant goes beyond the audience.",
    Page(
        why="The audience is the ceiling that was agreed on: it decides docs, retention and compatibility. A grant"
        " beyond it gives the stream to readers that it was not made for.",
        bad="audience: team\naccess: {subscribe: [billing/invoicing]}",
        good="audience: company\naccess: {subscribe: [billing/invoicing]}",
        mend="Remove the grant, or widen the audience and mend what that asks for.",
    ),
    always=True,
)
NOT_GRANTED: Final = error(
    "not-granted",
    "What a service declares is granted to it.",
    Page(
        why="The owner decides who reads: a subscription without a grant would be refused at the service's start.",
        bad="subscribes: {orders.order-placed: …}     # and no line for the service under the contract's access",
        good="access: {subscribe: [billing/invoicing]}",
        mend="Ask the owner for the line that the finding names, in the contract's file; `busline request` writes it"
        " for a service that is declared already. Both may come with one merge.",
    ),
    always=True,
)
VERSION_IMMUTABLE: Final = error(
    "version-immutable",
    "A published version never changes.",
    Page(
        why="Events of that version lie in the log, written with that schema. If the text changes, they no longer"
        " decode, or decode to something else. Published is what is on busline.yaml's `branch`, or applied.",
        bad="orders/order-placed/1.avsc edited after it was merged",
        good="orders/order-placed/1.avsc as it was, and the change in 2.avsc",
        mend="Restore the file, and put the change into the next version: `busline declare` writes it from the model.",
    ),
    always=True,
)
CONTRACT_IMMUTABLE: Final = error(
    "contract-immutable",
    "Kind, key, topic and partitions of a published contract never change.",
    Page(
        why="They decide where each event lies. Changed, the events of one key stand in two partitions, and their order"
        " is lost for readers old and new.",
        bad="key: customer_id    # was order_id when it was published",
        good="a new contract, orders.order-placed-v2, and a `deprecation` with `replacement` in the old one",
        mend="Restore the line. A redesign is a new contract.",
    ),
    always=True,
)
DECLARE_FRESH: Final = error(
    "declare-fresh",
    "The service file is what the code says.",
    Page(
        why="Who is hurt by a change is worked out from service files. One that is older than the code names the wrong"
        " fields.",
        bad="a field used in the code, and absent in billing/invoicing.service.yaml",
        good="busline declare invoicing.main:bus, and its files committed",
        mend="Run the command that the finding names.",
    ),
    always=True,
)
CODEGEN_FRESH: Final = error(
    "codegen-fresh",
    "Generated models are what the contracts say.",
    Page(
        why="Code that was generated from an older version publishes and reads that version, whatever the service file"
        " says.",
        bad="models.py generated before 2.avsc was added",
        good="busline codegen, and its file committed",
        mend="Run the command that the finding names.",
    ),
    always=True,
)
UNKNOWN_RULE: Final = error(
    "unknown-rule",
    "`rules` in a file names rules that exist, and that may be off.",
    Page(
        why="A rule that is off under a wrong name is on, and its reason is read as if it held.",
        bad='rules: {money-as-double: {off: "…"}}',
        good='rules: {money-not-float: {off: "gone with the old till in March"}}',
        mend="`busline explain` lists the rules.",
    ),
    always=True,
)
UNNEEDED_OFF: Final = warning(
    "unneeded-off",
    "A rule is off only where it would find something.",
    Page(
        why="What is off for no reason hides the next fault.",
        bad='rules: {field-docs: {off: "…"}}    # and every field has a doc',
        good="the line removed",
        mend="Remove the line.",
    ),
)
