"""`busline read`: exact values, masked persons, whole files, no silent gap."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from busline.cli.read_file import written
from busline.contract.schema import parse

Busline = Callable[..., Any]
NAME = "growth.user-statistics"
PERSON = {
    "user_id": "u1",
    "mail_address": "a@b.example",
    "orders": 9_007_199_254_740_993,
    "spent": "12.50",
    "last_order": "2026-11-20T10:00:00.500000Z",
    "address": {"city": 'Ghent, "B"', "zip": "9000"},
    "tags": ["a", "b"],
}
AS = ["--as", "orders/checkout"]


@pytest.fixture
def filled(shop: Path, inside: Busline) -> Path:
    assert inside("apply", "--env", "local").returncode == 0
    lines = [PERSON, PERSON | {"user_id": "u2", "mail_address": None}]
    given = "\n".join(json.dumps(line) for line in lines).encode()
    done = inside("publish", NAME, "--as", "growth/stats", given=given)
    assert done.returncode == 0, done.stderr
    return shop


def grant_pii(shop: Path) -> None:
    file = shop / "schemas/growth/user-statistics/contract.yaml"
    file.write_text(file.read_text().replace("[orders/checkout]", "[{to: orders/checkout, pii: true}]"))


def test_what_tells_of_a_person_is_masked_until_a_grant_says_otherwise(filled: Path, inside: Busline) -> None:
    for who in (AS, []):
        events = [json.loads(line)["event"] for line in inside("read", NAME, "--json", *who).stdout.splitlines()]
        assert {event["mail_address"] for event in events} == {"***"}
        assert sorted(event["user_id"] for event in events) == ["u1", "u2"]
    assert "a@b.example" in inside("read", NAME, "--as", "growth/people").stdout
    grant_pii(filled)
    assert inside("apply", "--env", "local").returncode == 0
    events = [json.loads(line)["event"] for line in inside("read", NAME, "--json", *AS).stdout.splitlines()]
    assert sorted(events, key=lambda event: event["user_id"])[0] == PERSON


def test_a_masked_key_is_nowhere(filled: Path, inside: Busline) -> None:
    file = filled / "schemas/growth/user-statistics/contract.yaml"
    file.write_text(file.read_text().replace("mail_address: {pii: true}", "user_id: {pii: true}"))
    inside("apply", "--env", "local")
    shown = inside("read", NAME, "--json", *AS).stdout + inside("read", NAME, *AS).stdout
    assert "u1" not in shown
    assert '"key": "***"' in shown


def test_ndjson_is_exact(filled: Path, inside: Busline) -> None:
    done = inside("read", NAME, "--to", "users.ndjson", "--as", "growth/people", "--json")
    assert json.loads(done.stdout) == {"contract": NAME, "file": "users.ndjson", "events": 2}
    rows = [json.loads(line) for line in (filled / "users.ndjson").read_text().splitlines()]
    assert sorted(rows, key=lambda row: row["user_id"])[0] == PERSON


def test_a_masked_field_may_share_its_type_with_another(tmp_path: Path) -> None:
    address = {"type": "record", "name": "Address", "fields": [{"name": "city", "type": "string"}]}
    fields = [{"name": "home", "type": address}, {"name": "shop", "type": "Address"}, {"name": "n", "type": "long"}]
    schema = parse({"type": "record", "name": "x.R", "fields": fields})
    with written(tmp_path / "r.avro", schema, frozenset({"home"}), force=False) as sink:
        sink.write(sink.encoded({"home": "***", "shop": {"city": "Bern"}, "n": 2**53 + 1}))
    with (tmp_path / "r.avro").open("rb") as file:
        assert list(fastavro.reader(file)) == [{"home": "***", "shop": {"city": "Bern"}, "n": 2**53 + 1}]


def test_a_folder_that_is_not_there_is_said(filled: Path, inside: Busline) -> None:
    done = inside("read", NAME, "--to", "nowhere/users.csv", *AS)
    assert (done.returncode, "nowhere/users.csv" in done.stderr, "fix:" in done.stderr) == (2, True, True)
    assert ".users.csv." not in done.stderr


def test_csv_has_a_column_a_field_and_json_for_lists(filled: Path, inside: Busline) -> None:
    assert inside("read", NAME, "--to", "users.csv", *AS).returncode == 0
    rows = list(csv.DictReader(io.StringIO((filled / "users.csv").read_text())))
    first = min(rows, key=lambda row: row["user_id"])
    assert first == {
        "user_id": "u1",
        "mail_address": "***",
        "orders": "9007199254740993",
        "spent": "12.50",
        "last_order": "2026-11-20T10:00:00.500000Z",
        "address.city": 'Ghent, "B"',
        "address.zip": "9000",
        "tags": '["a", "b"]',
    }


@pytest.mark.parametrize("who", ["growth/people", "orders/checkout"])
def test_avro_is_read_by_everybody(filled: Path, inside: Busline, who: str) -> None:
    assert inside("read", NAME, "--to", "users.avro", "--as", who).returncode == 0
    with (filled / "users.avro").open("rb") as file:
        rows: list[Any] = sorted(fastavro.reader(file), key=lambda row: row["user_id"])
    assert [row["orders"] for row in rows] == [9_007_199_254_740_993] * 2
    assert rows[0]["spent"] == Decimal("12.50")
    assert rows[0]["last_order"] == dt.datetime(2026, 11, 20, 10, 0, 0, 500_000, dt.UTC)
    assert rows[0]["mail_address"] == ("a@b.example" if who == "growth/people" else "***")


def test_versions_come_in_the_shape_of_the_current_one(shop: Path, inside: Busline) -> None:
    newer = shop / "schemas/orders/order-placed/2.avsc"
    text, service = newer.read_text(), shop / "schemas/orders/checkout.service.yaml"
    newer.unlink()
    service.write_text(service.read_text().replace("order-placed: 2", "order-placed: 1"))
    inside("apply", "--env", "local")
    assert inside("publish", "orders.order-placed", given=b'{"id": "1", "amount": 5}').returncode == 0
    newer.write_text(text)
    inside("apply", "--env", "local")
    assert inside("publish", "orders.order-placed", given=b'{"id": "2", "amount": 6, "class": "x"}').returncode == 0
    assert inside("read", "orders.order-placed", "--to", "o.csv").returncode == 0
    assert sorted((shop / "o.csv").read_text().splitlines()) == ["1,5,", "2,6,x", "id,amount,class"]


def test_of_a_state_a_file_has_the_latest_value_of_each_key(shop: Path, inside: Busline) -> None:
    file = shop / "schemas/growth/user-statistics/contract.yaml"
    file.write_text(file.read_text() + "kind: state\n")
    inside("apply", "--env", "local")
    for orders in (1, 2):
        inside("publish", NAME, given=json.dumps(PERSON | {"orders": orders}).encode())
    assert inside("read", NAME, "--to", "s.ndjson").returncode == 0
    assert [json.loads(line)["orders"] for line in (shop / "s.ndjson").read_text().splitlines()] == [2]
    refused = inside("read", NAME, "--start", "7d")
    assert (refused.returncode, "latest value of each key" in refused.stderr) == (2, True)


def test_a_file_is_whole_or_not_there_and_never_overwritten(
    filled: Path, inside: Busline, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(filled.iterdir())
    for wrong, says in (("users.parquet", ".ndjson, .csv, .avro"), ("nowhere/users.csv", "cannot be written")):
        refused = inside("read", NAME, "--to", wrong)
        assert (refused.returncode, says in refused.stderr) == (2, True)
    with monkeypatch.context() as patched:
        from busline.cli.read_file import JsonLines

        def interrupted(*_: object) -> bytes:
            raise KeyboardInterrupt

        patched.setattr(JsonLines, "encoded", interrupted)
        assert inside("read", NAME, "--to", "users.ndjson").returncode == 130
    assert sorted(filled.iterdir()) == before
    (filled / "users.ndjson").write_text("precious")
    refused = inside("read", NAME, "--to", "users.ndjson")
    assert (refused.returncode, (filled / "users.ndjson").read_text()) == (2, "precious")
    assert inside("read", NAME, "--to", "users.ndjson", "--force").returncode == 0
    assert len((filled / "users.ndjson").read_text().splitlines()) == 2


def test_who_may_not_read_gets_no_file(filled: Path, inside: Busline) -> None:
    done = inside("read", NAME, "--to", "users.csv", "--as", "marketing/people")
    assert (done.returncode, (filled / "users.csv").exists()) == (5, False)
    assert "#growth" in done.stderr
