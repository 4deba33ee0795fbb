"""Names of teams and streams of a made-up workspace: none of them looks like another."""

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DOMAINS: Final = _words(
    "orders billing shipping catalog payments marketing inventory support identity pricing returns loyalty fleet"
    " warehouse search ads finance risk content travel booking energy claims hiring"
)
AREAS: Final = _words(
    "core europe americas asia nordics retail wholesale partners online stores mobile logistics planning quality"
    " platform research pilots outlet express rural urban harbour alpine coastal"
)
THINGS: Final = _words(
    "order invoice parcel article payment campaign pallet ticket account tariff refund voucher vehicle shelf query"
    " banner budget alert page journey room meter claim applicant basket carrier depot supplier meeting"
    " subscription device session batch route survey licence region asset"
)
EVENTS: Final = _words(
    "placed opened closed changed cancelled approved rejected moved split merged shipped received counted assigned"
    " expired renewed archived restored flagged priced"
)
STATES: Final = _words("profile settings standing overview")
PLACES: Final = ("", *_words("north south east west inbound outbound nightly weekly early late"))
