"""The partitioner is Java's: every publisher of a topic must send a key to the same partition."""

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from busline.transport.partitioner import Partitioner, murmur2, murmur2_of_many, partition_for, remember

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA)
def test_the_hash_has_javas_bits(key: bytes) -> None:
    assert murmur2(key) == JAVA[key] & 0xFFFFFFFF


@given(st.binary(max_size=600))
def test_the_hash_agrees_with_an_independent_one(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key)


@given(st.binary(max_size=600), st.integers(1, 1000))
def test_a_key_has_one_partition_cached_or_not(key: bytes, partitions: int) -> None:
    expected = (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions
    assert partition_for(key, partitions) == partition_for(key, partitions) == expected


def test_the_empty_key_is_a_key() -> None:
    choose = Partitioner()
    assert {choose(b"", 7) for _ in range(20)} == {partition_for(b"", 7)}


def test_records_without_a_key_spread_over_all_partitions() -> None:
    choose = Partitioner()
    assert sorted(choose(None, 4) for _ in range(8)) == [0, 0, 1, 1, 2, 2, 3, 3]


@given(st.integers(0, 40).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), min_size=1, max_size=40)))
def test_keys_hashed_together_have_the_hashes_that_they_have_alone(keys: list[bytes]) -> None:
    assert list(murmur2_of_many(keys)) == [murmur2(key) for key in keys]


@given(st.lists(st.none() | st.binary(min_size=1, max_size=3), max_size=200), st.integers(1, 100))
def test_keys_that_were_remembered_go_where_they_always_go(keys: list[bytes | None], partitions: int) -> None:
    remember(keys)
    for key in filter(None, keys):
        assert partition_for(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
