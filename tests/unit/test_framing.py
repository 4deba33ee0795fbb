"""The schema reference in front of the bytes: exact bytes, and nothing else taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.codec.framing import Fingerprint, RegistryId, frame_registry, frame_single_object, split
from busline.errors import DecodeError


def test_confluent_framing_is_zero_and_four_bytes_big_endian() -> None:
    assert frame_registry(258, b"x") == b"\x00\x00\x00\x01\x02x"


def test_single_object_encoding_is_c301_and_eight_bytes_little_endian() -> None:
    assert frame_single_object(0x0102030405060708, b"x") == b"\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01x"


@given(st.integers(0, 2**31 - 1), st.binary())
def test_a_registry_id_comes_back(number: int, payload: bytes) -> None:
    assert split(frame_registry(number, payload)) == (RegistryId(number), payload)


@given(st.integers(0, 2**64 - 1), st.binary())
def test_a_fingerprint_comes_back(number: int, payload: bytes) -> None:
    assert split(frame_single_object(number, payload)) == (Fingerprint(number), payload)


def test_an_id_and_a_fingerprint_are_never_the_same_reference() -> None:
    assert RegistryId(5) != Fingerprint(5)
    assert len({RegistryId(5): 1, Fingerprint(5): 2}) == 2


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x01",
        b"\xc3",
        b"\xc3\x01" + b"\0" * 7,
        b"{}",
        b"\xc3\x02" + b"\0" * 9,
        b"\x00\xff\xff\xff\xff",
    ],
)
def test_what_is_framed_otherwise_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError):
        split(value)
