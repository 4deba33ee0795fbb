"""What both type checkers must report: each line that ends in `# wrong`, and no other.

(That events are frozen, only pydantic's mypy plugin knows.)
"""

from busline import Bus, Deleted, Event, State


class Hello(Event, contract="demo.hello", key="name"):
    name: str
    times: int = 1


class Stats(State, contract="demo.stats", key="user"):
    user: str


bus = Bus("memory://")


async def main() -> None:
    hello = Hello(name="x")
    Hello(times=1)  # wrong
    print(hello.surname)  # wrong
    await bus.publish("hello")  # wrong
    Deleted(Hello, name="x")  # wrong
    async for event in bus.read(Hello):
        print(event.user)  # wrong
