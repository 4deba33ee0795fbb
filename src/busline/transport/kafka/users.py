"""SCRAM users (KIP-554) and quotas (KIP-546) of a Kafka cluster.

A secret is salted and hashed here (RFC 5802): the cluster never sees it. Kafka takes one change of a user a request.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from busline.transport.guard import ITERATIONS, Credential, Mechanism, Quota, QuotaEntity
from busline.transport.kafka.admin_client import CLUSTER_REFUSED, AdminClient, ask, check, check_all, portions, protocol
from busline.transport.kafka.guard import NOBODY, everything

SALT_BYTES: Final = 24
GONE: Final = 91
CODES: Final[dict[Mechanism, int]] = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
_MECHANISM_OF: Final[dict[int, Mechanism]] = {code: mechanism for mechanism, code in CODES.items()}
_HASHES: Final[dict[Mechanism, str]] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
T = TypeVar("T")


class KafkaUsers(AdminClient):
    """Power Guarded, the part about users and quotas."""

    async def users(self) -> dict[str, frozenset[Mechanism]]:
        """Needs DESCRIBE on the cluster."""

        def work(client: Any) -> Any:
            allowed = ask(client, everything(NOBODY))  # Kafka 4.3 gives no answer to who may not ask for users
            if allowed.error_code == CLUSTER_REFUSED:
                return allowed
            return ask(client, protocol.DescribeUserScramCredentialsRequest(users=None))

        answer = await self._run(work)
        check(answer, self._connection.name, "DESCRIBE")
        check_all(((one.user, one) for one in answer.results), "DESCRIBE")
        return {one.user: _mechanisms(one) for one in answer.results}

    async def set_secrets(self, credentials: Sequence[Credential]) -> None:
        """Needs ALTER on the cluster."""

        def work(client: Any) -> list[Any]:
            changes = ((one.user, _upsertion(one)) for one in credentials)
            return _alter(client, "upsertions", changes)

        check_all(((one.user, one) for one in await self._run(work)), "ALTER")

    async def delete_secrets(self, secrets: Iterable[tuple[str, Mechanism]]) -> None:
        """Needs ALTER on the cluster."""
        deletion = protocol.AlterUserScramCredentialsRequest.ScramCredentialDeletion
        changes = [(user, deletion(name=user, mechanism=CODES[mechanism])) for user, mechanism in secrets]
        answers = await self._run(lambda client: _alter(client, "deletions", changes))
        check_all(((one.user, one) for one in answers if one.error_code != GONE), "ALTER")

    async def quotas(self) -> dict[QuotaEntity, dict[str, float]]:
        """Needs DESCRIBE_CONFIGS on the cluster."""
        request = protocol.DescribeClientQuotasRequest(components=[], strict=False)
        answer = await self._run(lambda client: ask(client, request))
        check(answer, self._connection.name, "DESCRIBE_CONFIGS")
        return {
            _entity(entry.entity): {value.key: value.value for value in entry.values} for entry in answer.entries or ()
        }

    async def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        """Needs ALTER_CONFIGS on the cluster."""

        def work(client: Any) -> list[Any]:
            answers: list[Any] = []
            for some in portions(list(quotas.items())):
                entries = [_quota(user, quota) for user, quota in some]
                answers += ask(client, protocol.AlterClientQuotasRequest(entries=entries, validate_only=False)).entries
            return answers

        for one in await self._run(work):
            check(one, ", ".join(str(part.entity_name) for part in one.entity), "ALTER_CONFIGS")


def _alter(client: Any, kind: str, changes: Iterable[tuple[str, Any]]) -> list[Any]:
    answers: list[Any] = []
    for turn in _turns(list(changes)):
        for some in portions(turn):
            parts = {"deletions": [], "upsertions": [], kind: some}
            answers += ask(client, protocol.AlterUserScramCredentialsRequest(**parts)).results
    return answers


def _turns(changes: Sequence[tuple[str, T]]) -> Iterator[list[T]]:
    """In order, each user at most once in each."""
    seen: Counter[str] = Counter()
    turns: list[list[T]] = []
    for user, change in changes:
        if seen[user] == len(turns):
            turns.append([])
        turns[seen[user]].append(change)
        seen[user] += 1
    return iter(turns)


def _upsertion(credential: Credential) -> Any:
    salt = os.urandom(SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac(_HASHES[credential.mechanism], credential.secret.encode(), salt, ITERATIONS)
    return protocol.AlterUserScramCredentialsRequest.ScramCredentialUpsertion(
        name=credential.user,
        mechanism=CODES[credential.mechanism],
        iterations=ITERATIONS,
        salt=salt,
        salted_password=hashed,
    )


def _mechanisms(user: Any) -> frozenset[Mechanism]:
    codes = (info.mechanism for info in user.credential_infos)
    return frozenset(_MECHANISM_OF[code] for code in codes if code in _MECHANISM_OF)


def _quota(user: str, quota: Quota) -> Any:
    kinds = protocol.AlterClientQuotasRequest.EntryData
    return kinds(
        entity=[kinds.EntityData(entity_type="user", entity_name=user)],
        ops=[
            kinds.OpData(key=key, value=float(bound or 0), remove=bound is None) for key, bound in quota.bounds.items()
        ],
    )


def _entity(parts: Iterable[Any]) -> QuotaEntity:
    """Kafka's null is the default of a kind, and what is not named it does not look at."""
    named = {part.entity_type: part.entity_name or "" for part in parts}
    return QuotaEntity(user=named.get("user"), client=named.get("client-id"), ip=named.get("ip"))
