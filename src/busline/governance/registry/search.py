"""Apicurio's own search for artifacts, beside its Confluent API: the one that knows pages (Registry 2.6 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CONFLUENT: Final = "/apis/ccompat/"


@dataclass(frozen=True, kw_only=True)
class Search:
    """base: where the API lies beside the Confluent one. key: what it calls an artifact's name."""

    base: str
    key: str
    query: Mapping[str, str] = field(default_factory=lambda: {"orderby": "createdOn", "order": "asc"})

    def names(self, body: object) -> list[str] | None:
        """The names of one page; None for what is no page."""
        found = body.get("artifacts") if isinstance(body, dict) else None
        if not isinstance(found, list):
            return None
        return [one[self.key] for one in found if isinstance(one, dict) and isinstance(one.get(self.key), str)]


SEARCHES: Final = (
    Search(base="/apis/registry/v2", key="id"),
    Search(base="/apis/registry/v3", key="artifactId"),
)


def search_path(confluent: str, search: Search) -> str | None:
    """From the path of a Confluent API to that of the search; None where the path is not Apicurio's."""
    before, found, _ = confluent.partition(CONFLUENT)
    return f"{before}{search.base}/search/artifacts" if found else None
