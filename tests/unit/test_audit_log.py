"""The authorizer's log: what it says is counted, and nobody is accused by a line that could be somebody else's."""

import datetime as dt
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.errors import ConfigurationError
from busline.governance.audit.authorizer_log import MAX_LINE, Access, AuthorizerLog, Use, lines_of, read_logs

END = b" for request = %b with resourceRefCount = 1 based on rule DefaultDeny (kafka.authorizer.logger)\n"


def line(principal: str = "User:a/b", name: str = "orders.x", said: str = "Denied", **more: str) -> bytes:
    """As Kafka 4.3 writes it."""
    when, level = more.get("when", "2026-11-24 19:41:23,452"), "INFO" if said == "Denied" else "DEBUG"
    kind, operation = more.get("kind", "Topic"), more.get("operation", "WRITE")
    text = (
        f"[{when}] {level} Principal = {principal} is {said} operation = {operation} from host = 127.0.0.1"
        f" on resource = {kind}:LITERAL:{name}"
    )
    return text.encode() + END % more.get("request", "Produce").encode()


def read(*lines: bytes) -> AuthorizerLog:
    log = AuthorizerLog()
    for one in lines_of(io.BytesIO(b"".join(lines)), log):
        log.take(one)
    return log


def test_refusals_are_counted_with_their_first_and_last_time() -> None:
    log = read(
        line(when="2026-11-24 19:41:23,452"),
        line(when="2026-11-24 19:41:24,000"),
        line(kind="TransactionalId", name="a/b/t", request="InitProducerId"),
    )
    times = log.denied[Access("User:a/b", "WRITE", "TOPIC", "orders.x", "Produce", "127.0.0.1")]
    assert (times.count, times.first.isoformat(), times.last.isoformat()) == (
        2, "2026-11-24T19:41:23.452000+00:00", "2026-11-24T19:41:24+00:00",
    )  # fmt: skip
    assert Access("User:a/b", "WRITE", "TRANSACTIONAL_ID", "a/b/t", "InitProducerId", "127.0.0.1") in log.denied
    assert (log.lines, log.strange, log.allowed) == (3, 0, False)


def test_what_was_allowed_says_who_wrote() -> None:
    log = read(line(said="Allowed"), line("User:CN=x, O=y", said="Allowed"), line("User:c/d", name="other"))
    assert log.who("orders.x") == ["User:CN=x, O=y", "User:a/b"]
    joined = line(said="Allowed", kind="Group", name="g", operation="READ", request="JoinGroup")
    assert read(joined).who("g", operation="READ", kind="GROUP") == ["User:a/b"]
    assert log.allowed and Use("User:a/b", "WRITE", "orders.x") in log.used


def test_an_offset_in_the_time_is_taken_for_what_it_is() -> None:
    log = read(line(when="2026-11-24T19:41:23,452+02:00"))
    assert next(iter(log.denied.values())).last.utcoffset() == dt.timedelta(hours=2)


@pytest.mark.parametrize(
    "name",
    [
        "g for request = Fetch with resourceRefCount = 1 based on rule DefaultDeny",
        "g on resource = Topic:LITERAL:h",
        "Principal = User:victim is Denied operation = READ from host = 1.2.3.4",
    ],
)
def test_a_name_that_speaks_the_logs_own_words_accuses_nobody(name: str) -> None:
    log = read(line(name=name, kind="Group"), line(f"User:{name}"), line())
    assert [access.principal for access in log.denied] == ["User:a/b"]
    assert [access.name for access in log.denied] == ["orders.x"]
    assert log.strange == 2


def test_a_line_that_was_smuggled_in_by_a_line_end_is_not_believed() -> None:
    forged = line("User:victim").removesuffix(b"\n").decode()
    attack = line(name=f"g\n{forged}\nh", kind="Group")
    log = read(attack, line())
    assert [access.principal for access in log.denied] == ["User:a/b"]
    assert log.strange >= 3
    whole = line(name=f"g\n{line('User:victim').decode().partition(' for request')[0]}", kind="Group")
    assert not any(access.principal == "User:victim" for access in read(whole).denied), (
        "the broker ends the line itself"
    )


def test_other_lines_are_left_out_and_what_is_being_written_too() -> None:
    log = read(b"[2026-11-24 19:41:23,452] INFO [Controller id=1] started (kafka)\n", b"\xff\xfe\n", line()[:-1])
    assert (log.lines, log.strange) == (0, 0)


def test_a_line_without_end_costs_no_memory() -> None:
    log = read(b"[2026-11-24 19:41:23,452] INFO Principal = " + b"x" * (3 * MAX_LINE) + b"\n", line())
    assert (log.lines, log.strange) == (1, 1)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_bytes_break_the_reading(raw: bytes, name: str) -> None:
    log = read(raw, b"\n", line(name=name.replace("\n", "")), raw)
    assert log.lines <= 3


def test_files_are_read_together_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    one, two = tmp_path / "1.log", tmp_path / "2.log"
    one.write_bytes(line())
    two.write_bytes(line() + line())
    assert next(iter(read_logs([one, two]).denied.values())).count == 3
    with pytest.raises(ConfigurationError, match="authorizer's log"):
        read_logs([tmp_path / "none.log"])


def test_what_was_told_up_to_then_is_not_counted_again(tmp_path: Path) -> None:
    file = tmp_path / "1.log"
    file.write_bytes(line(when="2026-11-24 10:00:00,000") + line(when="2026-11-24 11:00:00,000"))
    access = Access("User:a/b", "WRITE", "TOPIC", "orders.x", "Produce", "127.0.0.1")
    told = {access: dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)}
    assert read_logs([file], told).denied[access].count == 1
    assert read_logs([file], {access: dt.datetime(2026, 11, 24, 11, tzinfo=dt.UTC)}).denied == {}
