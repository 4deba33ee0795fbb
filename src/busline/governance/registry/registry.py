"""A Confluent-compatible schema registry: the verbs to bring it to a state, and to look at it.

The registry is a mirror for other clients, written by the tools only: running services never ask it. Everything is
idempotent, `normalize=true` on lookup and on register, since else a space makes a new version.

Source: Confluent Schema Registry API reference; tried on Apicurio 2.6 (`/apis/ccompat/v7`).
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self
from urllib.parse import quote

from busline.contract.schema import Schema
from busline.errors import RegistryForbidden, RegistryRefused
from busline.governance.registry.http import Answer, RegistryHttp, credentials_from
from busline.governance.registry.search import SEARCHES, search_path

LEVELS: Final = frozenset(
    {"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}
)
_PAGE: Final = 500
_SILENT_LIMIT: Final = 1000
_NOT_FOUND: Final = frozenset({404, 40401, 40402, 40403, 40408})
_PROBE: Final = "busline-probe"
_READ_ONLY: Final = 42205
_NORMALIZE: Final = {"normalize": "true"}


class Registered(NamedTuple):
    """A schema in a subject: the id that stands in front of each value, and the subject's own version number."""

    id: int
    version: int


class Subjects(NamedTuple):
    """Subject names in order, and whether these are all."""

    names: list[str]
    complete: bool


class Stored(NamedTuple):
    """A version of a subject as it lies there. kind: AVRO, JSON or PROTOBUF. refers: it needs schemas of others."""

    version: int
    id: int
    text: str
    kind: str = "AVRO"
    refers: bool = False


class Registry:
    """One schema registry. Raises RegistryUnreachable, RegistryRefused, RegistryForbidden."""

    def __init__(self, http: RegistryHttp) -> None:
        self._http = http

    @classmethod
    def at(cls, url: str) -> Self:
        """The registry at `url`, with the credentials that the environment holds for it."""
        return cls(RegistryHttp(url, credentials=credentials_from()))

    def __repr__(self) -> str:
        return f"Registry({self._http.shown!r})"

    @property
    def url(self) -> str:
        """The address, without user and password."""
        return self._http.shown

    @property
    def has_credentials(self) -> bool:
        """Whether we say who we are."""
        return self._http.has_credentials

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def subjects(self, prefix: str = "") -> Subjects:
        """The subjects that begin with `prefix`, asked in pages. Apicurio's Confluent API knows no pages and stops at
        1,000 without a word: then its own search is asked. `complete` is False where that is not there either, and
        whatever is not listed may be there all the same."""
        named = await self._listed(prefix)
        if named.complete:
            return named
        searched = await self._searched()
        if searched is None:
            return named
        return Subjects(sorted({*named.names, *(name for name in searched if name.startswith(prefix))}), True)

    async def _listed(self, prefix: str) -> Subjects:
        found: dict[str, None] = {}
        while True:
            query = {"subjectPrefix": prefix, "offset": str(len(found)), "limit": str(_PAGE)}
            page = _strings(self._checked(await self._http.request("GET", "subjects", query=query), "subjects"))
            new = [name for name in page if name not in found]
            found.update(dict.fromkeys(new))
            if len(page) != _PAGE or not new:
                names = sorted(name for name in found if name.startswith(prefix))
                return Subjects(names, len(page) < _PAGE or len(page) % _SILENT_LIMIT != 0)

    async def _searched(self) -> list[str] | None:
        """All names, by Apicurio's own search; None where there is no such search, or it may not be asked."""
        for search in SEARCHES:
            found: dict[str, None] = {}
            while (path := search_path(self._http.path, search)) is not None:
                query = {**search.query, "offset": str(len(found)), "limit": str(_PAGE)}
                answer = await self._http.request("GET", path, query=query)
                page = search.names(answer.body) if answer.status < 300 else None
                if page is None:
                    break
                new = [name for name in page if name not in found]
                found.update(dict.fromkeys(new))
                if len(page) < _PAGE or not new:
                    return list(found)
        return None

    async def versions(self, subject: str) -> list[int]:
        """The subject's version numbers, ascending; none when there is no such subject."""
        answer = await self._http.request("GET", f"subjects/{_part(subject)}/versions")
        if answer.error_code in _NOT_FOUND:
            return []
        body = self._checked(answer, subject)
        return sorted(v for v in body if isinstance(v, int)) if isinstance(body, list) else []

    async def stored(self, subject: str, version: int | None = None) -> Stored | None:
        """A version as it lies in the subject, the latest unless another is named; None where there is none."""
        number = "latest" if version is None else f"{version:d}"
        answer = await self._http.request("GET", f"subjects/{_part(subject)}/versions/{number}")
        if answer.error_code in _NOT_FOUND:
            return None
        about = f"{subject} version {number}"
        body = self._checked(answer, about)
        text = body.get("schema") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(text, str):
            raise self._strange(about, "it holds no schema")
        found, schema_id = self._number(body, "version", about), self._number(body, "id", about)
        return Stored(found, schema_id, text, str(body.get("schemaType") or "AVRO"), bool(body.get("references")))

    async def lookup(self, subject: str, schema: Schema) -> Registered | None:
        """Where the schema is in the subject, or None."""
        answer = await self._http.request(
            "POST", f"subjects/{_part(subject)}", query=_NORMALIZE, body={"schema": schema.text}
        )
        if answer.error_code in _NOT_FOUND:
            return None
        body = self._checked(answer, subject)
        return Registered(self._number(body, "id", subject), self._number(body, "version", subject))

    async def register(self, subject: str, schema: Schema) -> int:
        """The schema's id, new or as it was. RegistryRefused when the subject's level forbids it."""
        answer = await self._http.request(
            "POST", f"subjects/{_part(subject)}/versions", query=_NORMALIZE, body={"schema": schema.text}
        )
        return self._number(self._checked(answer, subject), "id", subject)

    async def may_write(self) -> bool | None:
        """Whether we may register: asked with a text that is no schema, in a subject that nobody has, so that whoever
        may write is told that it is wrong, and nothing changes. None: the answer says neither."""
        path = f"subjects/{_PROBE}/versions"
        answer = await self._http.request("POST", path, body={"schema": "no schema: busline asks whether it may write"})
        if answer.status in (401, 403) or answer.error_code == _READ_ONLY:
            return False
        return True if answer.status < 300 or answer.status == 422 else None

    async def schema(self, schema_id: int) -> str | None:
        """The text of a schema by its id, or None."""
        answer = await self._http.request("GET", f"schemas/ids/{schema_id:d}")
        if answer.error_code in _NOT_FOUND:
            return None
        body = self._checked(answer, f"id {schema_id}")
        text = body.get("schema") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise self._strange(f"id {schema_id}", "it holds no schema")
        return text

    async def level(self, subject: str) -> str | None:
        """The subject's own compatibility level, or None where it follows the registry's default."""
        answer = await self._http.request("GET", f"config/{_part(subject)}")
        if answer.error_code in _NOT_FOUND:
            return None
        body = self._checked(answer, subject)
        return str(body.get("compatibilityLevel")) if isinstance(body, dict) else None

    async def default_level(self) -> str | None:
        """The level of subjects without their own."""
        body = self._checked(await self._http.request("GET", "config"), "config")
        return str(body.get("compatibilityLevel")) if isinstance(body, dict) else None

    async def set_level(self, subject: str, level: str) -> None:
        """Set the subject's own level, one of LEVELS. The default of some registries is NONE: never rely on it."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is none of {sorted(LEVELS)}")
        answer = await self._http.request("PUT", f"config/{_part(subject)}", body={"compatibility": level})
        self._checked(answer, subject)

    def _checked(self, answer: Answer, about: str) -> object:
        if answer.status < 300:
            return answer.body
        where = f"{self._http.shown}, {about}"
        if answer.status in (401, 403):
            raise RegistryForbidden(
                "the schema registry refuses us",
                where=where,
                why=answer.message,
                fix="Set BUSLINE_REGISTRY_USER and BUSLINE_REGISTRY_PASSWORD, or BUSLINE_REGISTRY_TOKEN.",
            )
        if answer.status == 409:
            raise RegistryRefused(
                "the schema registry finds the schema incompatible",
                where=where,
                why=answer.message,
                fix="Compare the subject's latest version with the contract's: somebody else may have written it.",
            )
        raise RegistryRefused("the schema registry refuses", where=where, why=answer.message)

    def _number(self, body: object, key: str, about: str) -> int:
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._strange(about, f"it holds no number {key!r}")
        return value

    def _strange(self, about: str, why: str) -> RegistryRefused:
        return RegistryRefused(
            "the answer is not what a schema registry says",
            where=f"{self._http.shown}, {about}",
            why=why,
            fix="Check the registry's address, with its path (Apicurio: /apis/ccompat/v7).",
        )


def _part(subject: str) -> str:
    return quote(subject, safe="")


def _strings(body: object) -> list[str]:
    return [name for name in body if isinstance(name, str)] if isinstance(body, list) else []
