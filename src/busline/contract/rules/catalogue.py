"""All rules by id, in the order in which they are listed: those of `busline check`, and those of the audits."""

from __future__ import annotations

from typing import Final

from busline.contract.rules import (
    audit_code_rules,
    audit_rules,
    docs,
    environments,
    evolution_rules,
    gate_rules,
    keys,
    naming,
    numbers,
    ownership,
    privacy,
    reader_rules,
    storage,
    types,
)
from busline.contract.rules.rule import Rule

_ALL: Final = (
    docs.CONTRACT_DOCS,
    docs.FIELD_DOCS,
    naming.FIELD_NAMING,
    naming.ENUM_NAMING,
    naming.LOOK_ALIKES,
    keys.PRESENT,
    keys.STABLE,
    keys.NOT_PII,
    numbers.UNITS,
    numbers.MONEY,
    numbers.DATABASE_ID,
    types.INSTANT,
    types.ENUM_DEFAULT,
    privacy.MARKED,
    privacy.KEPT,
    storage.RETENTION,
    storage.RECORD_SIZE,
    storage.PARTITIONS,
    ownership.REACHABLE,
    ownership.GUARDED,
    *environments.ENVIRONMENTS,
    gate_rules.INVALID,
    gate_rules.GRANT_AUDIENCE,
    gate_rules.NOT_GRANTED,
    gate_rules.VERSION_IMMUTABLE,
    gate_rules.CONTRACT_IMMUTABLE,
    gate_rules.DECLARE_FRESH,
    gate_rules.CODEGEN_FRESH,
    gate_rules.UNKNOWN_RULE,
    gate_rules.UNNEEDED_OFF,
    *evolution_rules.EVOLUTION,
    *reader_rules.READERS,
    *reader_rules.LIFECYCLE,
)
RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in _ALL}
"""Those of `busline check`."""
AUDIT_RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in (*audit_rules.AUDIT, *audit_code_rules.AUDIT_CODE)}
"""Those of `busline audit`: they look at what is there, and cannot be off."""
ALL_RULES: Final[dict[str, Rule]] = RULES | AUDIT_RULES
