from busline import Bus, Event


class Hello(Event, contract="demo.hello", key="name"):
    name: str


bus = Bus("sqlite:///bus.db")  # memory://, sqlite:///path, kafka://host:9092,…


@bus.subscribe(Hello)
async def greet(hello: Hello) -> None:
    print("hello", hello.name)


async def main() -> None:
    await bus.publish(Hello(name="world"))
    await bus.caught_up()  # everything in the log now is handled or dead-lettered


if __name__ == "__main__":
    bus.run(main)
