"""What Kafka's clients raise, as busline's errors: one table for aiokafka, by class, and for kafka-python, by code."""

from __future__ import annotations

import ssl

import aiokafka.errors as kafka

from busline.errors import (
    AuthenticationFailed,
    BuslineError,
    ConfigurationError,
    Fenced,
    NotAuthorized,
    RecordTooLarge,
    StorageFailed,
    TransportClosed,
    TransportError,
    UnknownTopic,
    Unreachable,
)


class InvalidRecord(kafka.BrokerResponseError):  # type: ignore[misc]  # aiokafka is not typed
    """aiokafka 0.14 does not know this one, and would call it an unknown error."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker's checks refuse the record, e.g. one without a key in a compacted topic."


PRODUCER_FENCED = 90
kafka.kafka_errors.setdefault(InvalidRecord.errno, InvalidRecord)
kafka.kafka_errors.setdefault(PRODUCER_FENCED, kafka.InvalidProducerEpoch)  # newer Kafka's name of the same (KIP-588)

_GROUPS: dict[type[BuslineError], tuple[type[BaseException], ...]] = {
    Unreachable: (
        kafka.NoBrokersAvailable, kafka.NodeNotReadyError, kafka.KafkaProtocolError, kafka.Cancelled,
        kafka.TooManyInFlightRequests, kafka.StaleMetadata, kafka.MetadataEmptyBrokerList, kafka.KafkaUnavailableError,
        kafka.KafkaTimeoutError, kafka.KafkaConnectionError, kafka.LeaderNotAvailableError,
        kafka.NotLeaderForPartitionError, kafka.RequestTimedOutError, kafka.BrokerNotAvailableError,
        kafka.ReplicaNotAvailableError, kafka.StaleControllerEpochError, kafka.StaleLeaderEpochCodeError,
        kafka.GroupLoadInProgressError, kafka.GroupCoordinatorNotAvailableError, kafka.NotCoordinatorForGroupError,
        kafka.NotEnoughReplicasError, kafka.NotEnoughReplicasAfterAppendError, kafka.NotControllerError,
        kafka.QuotaViolationError, kafka.ConcurrentTransactions, kafka.ReassignmentInProgress,
        kafka.FetchSessionIdNotFound, kafka.InvalidFetchSessionEpoch, kafka.ListenerNotFound, TimeoutError,
        OSError,
    ),
    AuthenticationFailed: (
        kafka.AuthenticationMethodNotSupported, kafka.AuthenticationFailedError, kafka.SaslAuthenticationFailed,
        kafka.UnsupportedSaslMechanismError, kafka.IllegalSaslStateError, kafka.DelegationTokenAuthDisabled,
        kafka.DelegationTokenNotFound, kafka.DelegationTokenOwnerMismatch, kafka.DelegationTokenRequestNotAllowed,
        kafka.DelegationTokenExpired, kafka.InvalidPrincipalType, ssl.SSLCertVerificationError,
    ),
    NotAuthorized: (
        kafka.TopicAuthorizationFailedError, kafka.GroupAuthorizationFailedError, kafka.ClusterAuthorizationFailedError,
        kafka.TransactionalIdAuthorizationFailed, kafka.DelegationTokenAuthorizationFailed, kafka.SecurityDisabled,
        kafka.PolicyViolationError,
    ),
    UnknownTopic: (kafka.UnknownTopicOrPartitionError, kafka.InvalidTopicError),
    RecordTooLarge: (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError, kafka.RecordTooLargeError),
    StorageFailed: (kafka.KafkaStorageError, kafka.LogDirNotFound, kafka.CorruptRecordException),
    TransportClosed: (kafka.ConsumerStoppedError, kafka.ProducerClosed),
    ConfigurationError: (
        kafka.KafkaConfigurationError, kafka.UnsupportedCodecError, kafka.InvalidConfigurationError,
        kafka.InvalidPartitionsError, kafka.InvalidReplicationFactorError, kafka.InvalidReplicationAssignmentError,
        kafka.InvalidSessionTimeoutError, kafka.InvalidTransactionTimeout, kafka.InvalidRequiredAcksError,
        kafka.IncompatibleBrokerVersion, kafka.UnrecognizedBrokerVersion, kafka.UnsupportedVersionError,
        kafka.UnsupportedForMessageFormatError, kafka.InvalidGroupIdError, kafka.InconsistentGroupProtocolError,
    ),
    Fenced: (
        kafka.CommitFailedError, kafka.IllegalGenerationError, kafka.UnknownMemberIdError,
        kafka.RebalanceInProgressError, kafka.ProducerFenced, kafka.InvalidProducerEpoch,
    ),
    TransportError: (
        kafka.IllegalStateError, kafka.IllegalArgumentError, kafka.IllegalOperation, kafka.NoOffsetForPartitionError,
        kafka.UnknownError, kafka.OffsetOutOfRangeError, kafka.InvalidFetchRequestError,
        kafka.OffsetMetadataTooLargeError, kafka.InvalidCommitOffsetSizeError, kafka.InvalidTimestampError,
        kafka.TopicAlreadyExistsError, kafka.InvalidRequestError, kafka.OutOfOrderSequenceNumber,
        kafka.DuplicateSequenceNumber, kafka.InvalidTxnState,
        kafka.InvalidProducerIdMapping, kafka.TransactionCoordinatorFenced, kafka.OperationNotAttempted,
        kafka.UnknownProducerId, kafka.NonEmptyGroup,
        kafka.GroupIdNotFound, kafka.MemberIdRequired, InvalidRecord,
    ),
}  # fmt: skip
MAPPING: dict[type[BaseException], type[BuslineError]] = {
    foreign: ours for ours, group in _GROUPS.items() for foreign in group
}
FOREIGN: tuple[type[BaseException], ...] = (*MAPPING, BuslineError)
"""What to catch around a call of aiokafka; `translate` makes one of it and leaves our own as they are."""
REFUSED = (
    kafka.TopicAuthorizationFailedError, kafka.ClusterAuthorizationFailedError, kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError, kafka.InvalidTopicError, kafka.UnknownTopicOrPartitionError, InvalidRecord,
    kafka.InvalidTimestampError, kafka.PolicyViolationError, kafka.UnsupportedForMessageFormatError,
)  # fmt: skip
"""The broker's answers to a batch that say: certainly not written."""

HOLDER_FENCED = (kafka.ProducerFenced, kafka.InvalidProducerEpoch)
"""The broker's answers to who held a transactional id."""

FIXES: dict[type[BuslineError], str] = {
    Unreachable: "Check the address, and that the broker is up.",
    AuthenticationFailed: "Check the user and its password, and the SASL mechanism.",
    NotAuthorized: "Ask the topic's owner for a grant in its contract, and run `busline apply`.",
    UnknownTopic: "Nothing is created on its own: run `busline apply`.",
    RecordTooLarge: "Publish less at once, or raise storage.max_record in the contract.",
}


WHAT: dict[type[BuslineError], str] = {
    Unreachable: "no answer from Kafka",
    AuthenticationFailed: "Kafka refuses the credentials",
    NotAuthorized: "Kafka refuses the operation",
    UnknownTopic: "no such topic",
    RecordTooLarge: "a record is too large",
}


def translate(error: BaseException, *, where: str | None = None) -> BuslineError:
    """The error of busline's tree for one of aiokafka, asyncio or the socket; the original is its __cause__."""
    if isinstance(error, BuslineError):
        return error
    if isinstance(error, HOLDER_FENCED):
        fenced = Fenced(what="somebody else has opened the transactional id since", where=where)
        fenced.__cause__ = error
        return fenced
    kinds = (MAPPING[kind] for kind in type(error).__mro__ if kind in MAPPING)
    ours: type[BuslineError] = next(kinds, TransportError)
    why = str(error) or type(error).__name__
    if ours is Fenced:
        ours = TransportError  # only a consumer knows the leases that a Fenced names
    what = WHAT.get(ours, "Kafka says no")
    made = ours(what, where=where, why=why, fix=FIXES.get(ours))
    made.__cause__ = error
    return made


def from_code(code: int, message: str | None = None, *, where: str | None = None) -> BuslineError:
    """The error for a code in an answer that an administrative call has got."""
    kind = kafka.for_code(code)
    return translate(kind(message) if message else kind(), where=where)
