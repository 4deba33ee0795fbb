"""bus.read of dicts masks what tells of a person, and refuses a time in a state."""

from pathlib import Path
from typing import Any

import pytest

from busline import Bus, State
from busline.errors import ConfigurationError


class Statistics(State, contract="growth.user-statistics", key="user_id"):
    user_id: str
    mail_address: str | None = None


def workspace(shop: Path, grant: str) -> Path:
    folder = shop / "schemas/growth/user-statistics"
    text = (folder / "contract.yaml").read_text().replace("[orders/checkout]", grant)
    (folder / "contract.yaml").write_text(
        text.replace("  orders: {deprecated: {since: 2026-11-01, use: spent}}\n", "") + "kind: state\n"
    )
    (folder / "1.avsc").write_text(
        '{"type": "record", "name": "growth.UserStatistics", "fields": [{"name": "user_id", "type": "string"},'
        ' {"name": "mail_address", "type": ["null", "string"], "default": null}]}'
    )
    stats = shop / "schemas/growth/stats.service.yaml"
    stats.write_text(stats.read_text() + "reads: [growth.user-statistics]\n")
    service = shop / "schemas/orders/checkout.service.yaml"
    service.write_text(service.read_text().replace("fields: [user_id, spent]", "fields: [user_id]"))
    return shop / "schemas"


@pytest.mark.parametrize(
    ("grant", "seen"), [("[orders/checkout]", "***"), ("[{to: orders/checkout, pii: true}]", "a@b.example")]
)
async def test_dicts_are_masked_unless_the_grant_says_otherwise(shop: Path, grant: str, seen: str) -> None:
    schemas, url = workspace(shop, grant), f"sqlite:///{shop}/bus.db"
    async with Bus(url, service="growth/stats", workspace=schemas) as growth:
        await growth.publish(Statistics(user_id="u1", mail_address="a@b.example"))
        own: list[Any] = [event async for event in growth.read("growth.user-statistics")]
    async with Bus(url, service="orders/checkout", workspace=schemas) as checkout:
        read: list[Any] = [event async for event in checkout.read("growth.user-statistics")]
        typed = [event async for event in checkout.read(Statistics)]
        with pytest.raises(ConfigurationError, match="latest value of each key"):
            _ = [event async for event in checkout.read("growth.user-statistics", start="7d")]
    assert own == [{"user_id": "u1", "mail_address": "a@b.example"}]
    assert read == [{"user_id": "u1", "mail_address": seen}]
    assert [event.mail_address for event in typed] == ["a@b.example"]
