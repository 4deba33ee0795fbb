"""Every error that busline raises, in one tree.

    BuslineError                      BL0001
    ├── ConfigurationError            BL0100  a setting, URL or option is wrong
    │   ├── UnknownTransport          BL0101  no transport for the URL's scheme
    │   └── MissingExtra              BL0102  an optional dependency is not installed
    ├── ContractError                 BL0200  a contract, or what claims to follow it, is wrong
    │   ├── WorkspaceInvalid          BL0201  schemas/ has findings (all of them, in .findings)
    │   ├── SchemaInvalid             BL0202  text is not an Avro schema, or one that we refuse
    │   ├── ModelInvalid              BL0203  a model class cannot be expressed in Avro
    │   ├── ContractUnknown           BL0204  no such contract on this engine or in this workspace
    │   ├── ContractMismatch          BL0205  a model does not fit the contract's versions
    │   └── ContractStale             BL0206  declared or generated files are not fresh
    ├── AccessDenied                  BL0300  no grant allows it; names rule, file, line, whom to ask
    ├── CodecError                    BL0400
    │   ├── EncodeError               BL0401  a value does not fit its schema
    │   ├── DecodeError               BL0402  bytes are not a value of the schema, or pass a bound
    │   └── UnknownSchema             BL0403  a schema reference that is none of the contract's versions
    ├── TransportError                BL0500
    │   ├── Unreachable               BL0501  no answer from the engine (retryable)
    │   ├── AuthenticationFailed      BL0502  the engine refuses the credentials
    │   ├── NotAuthorized             BL0503  the engine refuses the operation
    │   ├── UnknownTopic              BL0504  no such topic; nothing is auto-created
    │   ├── RecordTooLarge            BL0505  larger than the topic takes
    │   ├── TransportClosed           BL0506  used after aclose()
    │   ├── Fenced                    BL0507  leases that are gone (.leases); their records come again
    │   ├── RetentionGap              BL0508  the start lies before the oldest kept record
    │   └── StorageFailed             BL0509  disk full, file damaged, file not a busline database
    ├── PublishError                  BL0600
    │   ├── NotPublished              BL0601  certainly not written
    │   ├── PublishUnknown            BL0602  maybe written (retryable: publish the same instance again)
    │   └── PublishFailed             BL0603  several events, not all confirmed (.outcomes)
    ├── SubscriptionError             BL0700
    │   ├── HandlerInvalid            BL0701  a handler's signature or options are wrong (at decoration)
    │   ├── Reject                    BL0702  raised by a handler: dead-letter at once
    │   ├── HandlerTimeout            BL0703  a handler ran longer than its limit (retryable)
    │   └── DeadLetterFailed          BL0704  the dead letter could not be written: progress stops
    ├── RegistryError                 BL0800
    │   ├── RegistryUnreachable       BL0801  no answer, or 5xx after retries (retryable)
    │   └── RegistryRefused           BL0802  the registry says no (incompatible, invalid)
    │       └── RegistryForbidden     BL0803  the registry refuses the credentials, or what they ask for
    └── ApplyError                    BL0900  apply could not bring an engine to the workspace's state
        ├── ReadersHurt               BL0901  a reader there would fail or go blind, and its team has not agreed
        ├── PlanStale                 BL0902  what was planned is not what would be done now
        └── NotInForce                BL0903  a broker does not yet follow a change of access (retryable)

Each class has a stable `code` (documented in docs/errors.md, printed by every tool) and says whether the
same call may succeed later (`retryable`). Messages never hold secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from busline.record import Position


class BuslineError(Exception):
    """The root. `what` went wrong, `where` (file:line, contract, field path), `why`, and how to mend it (`fix`)."""

    code: ClassVar[str] = "BL0001"
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str | None = None, why: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        reason = f": {self.why}" if self.why else ""
        mend = f". {self.fix}" if self.fix else ""
        return f"[{self.code}] {self.what}{place}{reason}{mend}"


class ConfigurationError(BuslineError):
    """A setting, URL or option is wrong."""

    code = "BL0100"


class UnknownTransport(ConfigurationError):
    """No transport is registered for the URL's scheme."""

    code = "BL0101"


class MissingExtra(ConfigurationError):
    """An optional dependency is not installed."""

    code = "BL0102"


class ContractError(BuslineError):
    """A contract, or what claims to follow it, is wrong."""

    code = "BL0200"


class WorkspaceInvalid(ContractError):
    """The workspace has findings; `findings` holds all of them, in file order."""

    code = "BL0201"

    def __init__(self, what: str, findings: Sequence[object], *, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.findings = tuple(findings)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {finding}" for finding in self.findings)])


class SchemaInvalid(ContractError):
    """Text is not an Avro schema, or one that is refused here."""

    code = "BL0202"


class ModelInvalid(ContractError):
    """A model class cannot be expressed in Avro. Raised at class definition, with the field's path."""

    code = "BL0203"


class ContractUnknown(ContractError):
    """No such contract on this engine or in this workspace."""

    code = "BL0204"


class ContractMismatch(ContractError):
    """A model does not fit any version of its contract."""

    code = "BL0205"


class ContractStale(ContractError):
    """Declared or generated files are not what the code says."""

    code = "BL0206"


class AccessDenied(BuslineError):
    """No grant allows it. `where` is the file and line that decided, `fix` says whom to ask."""

    code = "BL0300"


class CodecError(BuslineError):
    """Bytes and values do not fit together."""

    code = "BL0400"


class EncodeError(CodecError):
    """A value does not fit its schema; `where` is contract and field path."""

    code = "BL0401"


class DecodeError(CodecError):
    """Bytes are not exactly one value of the schema, or pass one of the bounds of a message."""

    code = "BL0402"


class UnknownSchema(CodecError):
    """The schema reference in front of the bytes is none of the contract's versions."""

    code = "BL0403"


class TransportError(BuslineError):
    """The engine could not do it."""

    code = "BL0500"


class Unreachable(TransportError):
    """No answer from the engine."""

    code = "BL0501"
    retryable = True


class AuthenticationFailed(TransportError):
    """The engine refuses the credentials."""

    code = "BL0502"


class NotAuthorized(TransportError):
    """The engine refuses the operation for this principal."""

    code = "BL0503"


class UnknownTopic(TransportError):
    """No such topic. Nothing is auto-created."""

    code = "BL0504"


class RecordTooLarge(TransportError):
    """A record is larger than its topic takes."""

    code = "BL0505"


class TransportClosed(TransportError):
    """Used after aclose()."""

    code = "BL0506"


class Fenced(TransportError):
    """Leases that are gone: what they covered is not committed and comes again elsewhere. Or, without leases, somebody
    else has what was held: `what` says so."""

    code = "BL0507"

    def __init__(self, leases: Sequence[object] = (), *, what: str | None = None, where: str | None = None) -> None:
        names = ", ".join(str(lease) for lease in leases)
        super().__init__(what or f"{len(leases)} lease(s) are gone: {names}", where=where)
        self.leases = tuple(leases)


class RetentionGap(TransportError):
    """The start lies before the oldest kept record: what was between was removed by retention."""

    code = "BL0508"


class StorageFailed(TransportError):
    """The engine's storage failed: disk full, file damaged, or not a busline database."""

    code = "BL0509"


class PublishError(BuslineError):
    """A publish did not end in a confirmed position. Always one of the two below."""

    code = "BL0600"


class NotPublished(PublishError):
    """Certainly not written. `cause` is the reason as an error of this tree."""

    code = "BL0601"

    def __init__(self, what: str, *, cause: BuslineError | None = None, fix: str | None = None) -> None:
        super().__init__(what, why=str(cause) if cause else None, fix=fix)
        self.cause = cause


class PublishUnknown(PublishError):
    """Maybe written (timeout, cancellation, lost connection). Publishing the same instance again keeps its id."""

    code = "BL0602"
    retryable = True


class PublishFailed(PublishError):
    """Some of several events were not confirmed; `outcomes` has one entry an event, in order."""

    code = "BL0603"

    def __init__(self, what: str, outcomes: Sequence[Position | PublishError]) -> None:
        super().__init__(what)
        self.outcomes = tuple(outcomes)


class SubscriptionError(BuslineError):
    """A subscription cannot start or cannot go on."""

    code = "BL0700"


class HandlerInvalid(SubscriptionError):
    """A handler's signature or options are wrong. Raised at decoration."""

    code = "BL0701"


class Reject(SubscriptionError):
    """Raise it in a handler: the event goes to the dead letters at once, without a retry."""

    code = "BL0702"


class HandlerTimeout(SubscriptionError):
    """A handler ran longer than its limit."""

    code = "BL0703"
    retryable = True


class DeadLetterFailed(SubscriptionError):
    """A dead letter could not be written. Progress stops; nothing is lost."""

    code = "BL0704"


class RegistryError(BuslineError):
    """The schema registry could not do it."""

    code = "BL0800"


class RegistryUnreachable(RegistryError):
    """No answer, or a server error after all retries."""

    code = "BL0801"
    retryable = True


class RegistryRefused(RegistryError):
    """The registry says no: incompatible, invalid."""

    code = "BL0802"


class RegistryForbidden(RegistryRefused):
    """The registry refuses the credentials, or what they ask for."""

    code = "BL0803"


class ApplyError(BuslineError):
    """apply could not bring an engine to the workspace's state; `conflicts` are all reasons. The next run converges."""

    code = "BL0900"

    def __init__(
        self, what: str, *, conflicts: Sequence[str] = (), where: str | None = None, fix: str | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.conflicts = tuple(conflicts)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {conflict}" for conflict in self.conflicts)])


class ReadersHurt(ApplyError):
    """A merged, applied or running reader would fail or go blind; `conflicts` names each, and what has to go first."""

    code = "BL0901"


class PlanStale(ApplyError):
    """The workspace or the environment is not as it was when the plan was made. Nothing was changed."""

    code = "BL0902"


class NotInForce(ApplyError):
    """An ACL change is acknowledged and brokers do not follow it yet: `conflicts` names each, and one ACL that it still
    has, or lacks. Access is never wider than before; the next run converges."""

    code = "BL0903"
    retryable = True
