"""The page of each error code, as `busline explain` shows it; docs/errors.md says the same, held by a test."""

from __future__ import annotations

from typing import Final, NamedTuple


class ErrorPage(NamedTuple):
    """title: the class's name, or a word for what has none."""

    title: str
    cause: str
    fix: str


ERROR_PAGES: Final[dict[str, ErrorPage]] = {
    "BL0000": ErrorPage(
        "Not foreseen",
        "An exception that is none of busline's: a bug of busline, or of the service's own code that a command ran.",
        "Run the command again with `BUSLINE_DEBUG=1` to see the traceback. If it ends in `busline/`, report "
        "it with that.",
    ),
    "BL0001": ErrorPage(
        "BuslineError",
        "The root of the tree; `except BuslineError` catches every error of busline. It is not raised itself.",
        "See the code of the error that was raised.",
    ),
    "BL0002": ErrorPage(
        "Usage",
        "A command line with an unknown command or option, a missing argument, or a value that cannot be read.",
        "The message names the command; `busline COMMAND --help` shows what it takes.",
    ),
    "BL0100": ErrorPage(
        "ConfigurationError",
        "A setting, a URL or an option is wrong: in the code, in a `BUSLINE_…` variable, or in `[tool.busline]`.",
        "The message names the setting and what it takes; all of them are in [settings](settings.md).",
    ),
    "BL0101": ErrorPage(
        "UnknownTransport",
        "No transport serves the URL's scheme. Built in are `memory://`, `sqlite:///path` and `kafka://host:port`.",
        "Correct the scheme, or install the package that brings the transport (entry point `busline.transports`).",
    ),
    "BL0102": ErrorPage(
        "MissingExtra",
        "A feature needs a library that the base install does not bring: Kafka and the schema registry.",
        '`pip install "busline[kafka]"`.',
    ),
    "BL0200": ErrorPage(
        "ContractError",
        "A contract, or a name in one, is wrong.",
        "The message says what is expected. Names are lower-case words joined by hyphens: `orders.order-placed`.",
    ),
    "BL0201": ErrorPage(
        "WorkspaceInvalid",
        "Files under `schemas/` do not hold together; every finding is listed, each with file, line and its own fix.",
        "Mend them one by one; nothing is applied before the list is empty.",
    ),
    "BL0202": ErrorPage(
        "SchemaInvalid",
        "A text is not an Avro schema, or one that busline refuses (nested too deeply, too large, a name twice).",
        "The message holds the path within the schema. `busline declare` writes schemas from models.",
    ),
    "BL0203": ErrorPage(
        "ModelInvalid",
        "A field of an `Event` class has a type that Avro cannot hold without guessing. Raised where the "
        "class is defined.",
        "The message holds the field's path and the types to use, e.g. `Field(max_digits=12, decimal_places=2)`.",
    ),
    "BL0204": ErrorPage(
        "ContractUnknown",
        "The contract is neither on this engine nor in this workspace: misspelt, or not applied there yet.",
        "Check the name and the environment; `busline apply --env ENV` brings a merged contract to its engine.",
    ),
    "BL0205": ErrorPage(
        "ContractMismatch",
        "A model does not fit any version of its contract: a field is missing or has another type.",
        "Change the model, or publish the change as a new version: `busline declare module:bus`, merge, apply.",
    ),
    "BL0206": ErrorPage(
        "ContractStale",
        "`busline declare --check`: the files in the workspace are not what the code says.",
        "Run `busline declare module:bus` and commit what it writes.",
    ),
    "BL0300": ErrorPage(
        "AccessDenied",
        "No grant allows it. `where` is the file and line that decided.",
        "The message says whom to ask. The owner grants in its contract, under `access`; merge and apply make it hold.",
    ),
    "BL0400": ErrorPage(
        "CodecError",
        "Bytes and values do not fit together; the errors below say how.",
        "See the code of the error that was raised.",
    ),
    "BL0401": ErrorPage(
        "EncodeError",
        "A value does not fit its schema; `where` is the contract and the field's path.",
        "Publish a value of the type that the message names.",
    ),
    "BL0402": ErrorPage(
        "DecodeError",
        "Bytes are not exactly one value of the schema, or exceed a bound (depth, elements, bytes of one message).",
        "Look at the record: `busline dlq show SERVICE`. Somebody published without a contract, or it was damaged.",
    ),
    "BL0403": ErrorPage(
        "UnknownSchema",
        "The reference in front of the bytes is none of the contract's versions.",
        "If the version is new, apply it: `busline apply --env ENV`. Otherwise find out who publishes past "
        "the contract.",
    ),
    "BL0500": ErrorPage(
        "TransportError",
        "The engine could not do it, for a reason that has no class of its own.",
        "The message carries what the engine said.",
    ),
    "BL0501": ErrorPage(
        "Unreachable",
        "The engine does not answer: it is down, the address is wrong, or the network is.",
        "Check the URL in the message and whether the engine runs. The call may be repeated.",
    ),
    "BL0502": ErrorPage(
        "AuthenticationFailed",
        "The engine does not take the credentials.",
        "Check `BUSLINE_USER` and `BUSLINE_PASSWORD` or `BUSLINE_PASSWORD_FILE`.",
    ),
    "BL0503": ErrorPage(
        "NotAuthorized",
        "The engine knows who asks, and refuses the operation.",
        "Grants come from the contract: ask its owner, then apply. Work on topics needs the platform team's "
        "credentials. A subscription that loses its right while it runs is not ready, and goes on by itself when it is "
        "granted again.",
    ),
    "BL0504": ErrorPage(
        "UnknownTopic",
        "The contract's topic does not exist on the engine. Nothing is created by publishing or subscribing.",
        "`busline apply --env ENV`.",
    ),
    "BL0505": ErrorPage(
        "RecordTooLarge",
        "Key, value and headers together exceed what the topic takes.",
        "Publish a reference instead of the data, or raise `storage.max_record` in the contract and apply.",
    ),
    "BL0506": ErrorPage(
        "TransportClosed",
        "A bus or transport was used after it was closed.",
        "Keep it open for as long as it is used: `async with`, `bus.run`, or `bus.lifespan`.",
    ),
    "BL0507": ErrorPage(
        "Fenced",
        "Partitions went to another member of the group in the meantime; what was not committed comes again there."
        " Or another `busline apply` began while this one was under way, and this one has stopped.",
        "Nothing, if it is rare. If not, handlers take longer than the group waits: look at their time. Let one apply"
        " run at a time.",
    ),
    "BL0508": ErrorPage(
        "RetentionGap",
        "The start lies before the oldest kept record: what was between has been removed by retention.",
        "Start later, or at `earliest` to take what is left, knowing that it is not all.",
    ),
    "BL0509": ErrorPage(
        "StorageFailed",
        "Disk full, a damaged file, or a file that is not a busline database.",
        "Make room, or name another file; records that were confirmed are on the disk.",
    ),
    "BL0600": ErrorPage(
        "PublishError",
        "A publish did not end in a confirmed position; it is always one of the two below, or several of them.",
        "See the code of the error that was raised.",
    ),
    "BL0601": ErrorPage(
        "NotPublished",
        "The event is certainly not written; `cause` is the reason.",
        "Mend the cause, then publish again.",
    ),
    "BL0602": ErrorPage(
        "PublishUnknown",
        "The event may be written or not: a timeout, a cancellation, a lost connection.",
        "Publish the same instance again: it keeps its id, so subscribers can tell the second from a new one.",
    ),
    "BL0603": ErrorPage(
        "PublishFailed",
        "Of several events not all were confirmed; `outcomes` has one entry an event, in order.",
        "Publish those again whose outcome is an error, as that error says.",
    ),
    "BL0700": ErrorPage(
        "SubscriptionError",
        "A subscription cannot start, or cannot go on.",
        "See the code of the error that was raised.",
    ),
    "BL0701": ErrorPage(
        "HandlerInvalid",
        "A handler's signature or options are wrong. Raised at the decorator.",
        "The message shows the signature that fits; a second handler for one contract needs `name=`.",
    ),
    "BL0702": ErrorPage(
        "Reject",
        "Raised by a handler that does not want an event: it goes to the dead letters at once.",
        "`busline dlq list SERVICE` shows it; after a fix in the handler, `busline dlq replay module:bus`.",
    ),
    "BL0703": ErrorPage(
        "HandlerTimeout",
        "A handler ran longer than its limit, or blocks the event loop.",
        "Move blocking work to a thread, or raise the limit in the subscription's options.",
    ),
    "BL0704": ErrorPage(
        "DeadLetterFailed",
        "A dead letter could not be written. The service stops instead of losing the event.",
        "Check the dead letter topic (`busline apply --env ENV` creates it), then start the service again.",
    ),
    "BL0800": ErrorPage(
        "RegistryError",
        "The schema registry could not do it; the errors below say why.",
        "See the code of the error that was raised. Running services do not need the registry.",
    ),
    "BL0801": ErrorPage(
        "RegistryUnreachable",
        "No answer, or only server errors, in all tries.",
        "Check the address in the message. Apply again: it goes on where it stopped.",
    ),
    "BL0802": ErrorPage(
        "RegistryRefused",
        "The registry finds the schema incompatible or invalid, or what answers is no registry.",
        "Compare the subject with the contract's versions: somebody else may have written to it.",
    ),
    "BL0803": ErrorPage(
        "RegistryForbidden",
        "The registry does not take the credentials, or they may not do this.",
        "Set `BUSLINE_REGISTRY_USER` and `BUSLINE_REGISTRY_PASSWORD[_FILE]`, or `BUSLINE_REGISTRY_TOKEN[_FILE]`.",
    ),
    "BL0900": ErrorPage(
        "ApplyError",
        "What the workspace says cannot be brought to the engine: a published version was changed, or a topic "
        "has another number of partitions.",
        "The message lists every conflict with its own fix. What was done before stays; the next apply converges.",
    ),
    "BL0901": ErrorPage(
        "ReadersHurt",
        "A new version would make a reader fail or go blind (a default stands in for a field that is gone), "
        "or a contract would be retired that somebody reads. Readers are what is merged, what is applied, and "
        "what runs; nothing was changed.",
        "Do first what each line says: deploy that release, or let that team move. Or that team agrees under "
        "`accepts` in its own service file. [Lifecycle](lifecycle.md) tells more.",
    ),
    "BL0902": ErrorPage(
        "PlanStale",
        "A plan was made for another commit, or the environment changed since. Nothing was changed.",
        "Run `busline plan` again, look at it, and apply that one.",
    ),
    "BL0903": ErrorPage(
        "NotInForce",
        "A change of access is acknowledged, and a broker does not follow it within the time that apply waits: it is "
        "overloaded, or cut off from the controller. Access is nowhere wider than before.",
        "Look after the broker that is named, then run `busline apply` again: it goes on where it stopped.",
    ),
}
