"""What adopting leaves as it is, each with why: nothing is half adopted, and nothing is passed over in silence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The value is what a report says behind their number. In the order of a report: what matters most stands last,
    where a terminal shows it."""

    TOOL = "topic(s) of tools"
    APPLIED = "topic(s) of contracts that another workspace has applied"
    NO_TOPIC = "subject(s) without a topic"
    BY_RECORD = "subject(s) named after a record"
    NO_SUBJECT = "topic(s) without a schema"
    NOT_AVRO = "topic(s) whose schema is not Avro"
    SCHEMA = "topic(s) with a schema that cannot be a contract's"
    RECORDS = "topic(s) with records that their schema does not read"
    POLICY = "topic(s) compacted and expiring besides"
    INVALID = "topic(s) that would not hold together as contracts"
    INVALID_USER = "user(s) that no service file can say"
    NO_RIGHTS = "user(s) without a right to any adopted stream"
    QUOTA = "quota(s) that no contract says"
    ELSEWHERE = "ACL(s) on topics that are no contract's"
    ACL = "ACL(s) that no contract can say"
    GROUP = "consumer group(s) of which nobody knows whose they are"
    SERVICE = "service(s) with more rights than their files say"
    KEY = "compacted topic(s) of which nobody knows the key"
    PREFIX = "topic(s) under another team's name"
    FOREIGN_WRITER = "user(s) with the right to write a topic of another team"
    USER = "user(s) that nobody is said to own"
    NO_OWNER = "topic(s) that nobody is said to own"

    def counted(self, number: int) -> str:
        return f"{number:,} {self.value.replace('(s)', '' if number == 1 else 's')}"

    @property
    def to_decide(self) -> bool:
        """Somebody has to say something before the next run can do more."""
        return self in (Reason.NO_OWNER, Reason.USER, Reason.FOREIGN_WRITER)


@dataclass(frozen=True, kw_only=True, order=True)
class Left:
    """about: the topic, subject, user, group or ACL. fix: what would change that, if anything does."""

    reason: Reason
    about: str
    why: str
    fix: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "reason": self.reason.name.lower().replace("_", "-"),
            "about": self.about,
            "why": self.why,
            "fix": self.fix,
            "finding": self.reason.to_decide,
        }
