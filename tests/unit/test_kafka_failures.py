"""Foreign errors stop at the transport: none of aiokafka's is left without an error of ours."""

from collections.abc import Iterator

import aiokafka.errors as kafka
import pytest

from busline.errors import (
    AuthenticationFailed,
    BuslineError,
    Fenced,
    NotAuthorized,
    TransportError,
    UnknownTopic,
    Unreachable,
)
from busline.transport.kafka.failures import MAPPING, REFUSED, from_code, translate

ABSTRACT = {kafka.KafkaError, kafka.BrokerResponseError, kafka.NoError}


def descendants(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from descendants(one)


def test_every_error_class_of_aiokafka_is_mapped() -> None:
    known = {one for one in vars(kafka).values() if isinstance(one, type) and issubclass(one, BaseException)}
    every = {*descendants(kafka.KafkaError), *(one for one in known if one.__module__ == kafka.__name__)}
    unmapped = [one.__name__ for one in every - ABSTRACT if not any(kind in MAPPING for kind in one.__mro__)]
    assert unmapped == []


def test_a_refusal_never_means_maybe_written() -> None:
    """NotPublished is certain: only answers to the batch itself count, never a timeout or a lost connection."""
    assert all(issubclass(one, kafka.BrokerResponseError) for one in REFUSED)
    assert not {kafka.RequestTimedOutError, kafka.NotEnoughReplicasAfterAppendError, kafka.UnknownError} & set(REFUSED)


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (kafka.TopicAuthorizationFailedError("t"), NotAuthorized),
        (kafka.SaslAuthenticationFailed("no"), AuthenticationFailed),
        (kafka.UnknownTopicOrPartitionError(), UnknownTopic),
        (ConnectionRefusedError(111, "refused"), Unreachable),
        (TimeoutError(), Unreachable),
        (kafka.OutOfOrderSequenceNumber(), TransportError),
    ],
)
def test_a_foreign_error_is_translated_with_its_cause(foreign: BaseException, ours: type[BuslineError]) -> None:
    made = translate(foreign, where="here")
    assert type(made) is ours
    assert made.where == "here"
    assert made.__cause__ is foreign
    assert made.why


@pytest.mark.parametrize("foreign", [kafka.ProducerFenced(), kafka.InvalidProducerEpoch(), kafka.for_code(90)()])
def test_who_has_lost_a_transactional_id_is_fenced(foreign: BaseException) -> None:
    made = translate(foreign, where="here")
    assert isinstance(made, Fenced)
    assert made.where == "here"
    assert made.leases == ()
    assert "transactional id" in str(made)


def test_an_error_of_ours_is_left_as_it_is() -> None:
    error = UnknownTopic("no such topic")
    assert translate(error) is error


def test_a_code_that_aiokafka_does_not_know_has_its_meaning() -> None:
    assert "InvalidRecord" in str(from_code(87))
    assert isinstance(from_code(29, "Topic authorization failed."), NotAuthorized)
