"""What the commands share: how their work is run."""

from busline.cli.options import run_async


class Large:
    def __repr__(self) -> str:
        raise AssertionError("a result of ten thousand contracts must not be written out")


def test_a_result_is_handed_over_without_its_repr() -> None:
    large = Large()

    async def work() -> Large:
        return large

    assert run_async(work()) is large
