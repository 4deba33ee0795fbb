"""Many questions, some at a time: answers in order, a failure as it is, and nothing left running."""

import asyncio

import pytest

from busline.errors import NotAuthorized
from busline.governance.some_at_once import some_at_once


async def test_answers_come_in_the_order_of_the_questions_and_no_more_are_under_way_than_may() -> None:
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number * 2

    assert await some_at_once(range(20), work, 3) == [number * 2 for number in range(20)]
    assert most == 3
    assert await some_at_once([], work, 3) == []


async def test_the_first_failure_is_raised_as_it_is_and_nothing_goes_on() -> None:
    begun: set[int] = set()
    ended: set[int] = set()
    never = asyncio.Event()

    async def work(number: int) -> None:
        begun.add(number)
        try:
            if number == 1:
                raise NotAuthorized("refused")
            await never.wait()
        finally:
            ended.add(number)

    with pytest.raises(NotAuthorized):
        await some_at_once(range(10), work, 2)
    assert {0, 1} <= begun == ended < set(range(10))
