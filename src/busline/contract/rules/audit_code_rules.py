"""The rules of `busline audit code`, so that each finding's rule has a page. They are let be by `exceptions` alone."""

from __future__ import annotations

from typing import Final

from busline.contract.rules.rule import Page, Rule, error, warning

_AGREED: Final = "What is agreed on stands under `exceptions` in busline.yaml, with a reason and a last day."
AUDIT_CODE: Final[tuple[Rule, ...]] = (
    error(
        "company-bus",
        "Nobody reaches the company's bus but with busline.",
        Page(
            why="A raw client knows no contract: what it writes nobody can decode, what it reads nobody granted, and"
            " no change of a schema counts it. The broker refuses it; the code says that somebody tries.",
            bad='KafkaConsumer("orders.order-placed", bootstrap_servers="kafka.acme.example:9092")',
            good="@bus.subscribe(OrderPlaced)",
            mend="Declare the service's contracts and use a Bus. A broker of the team's own stands under its `stores`."
            f" {_AGREED}",
        ),
        always=True,
    ),
    warning(
        "raw-client",
        "A raw Kafka client says where it leads.",
        Page(
            why="It may lead to the company's bus, past every contract; from the code alone it cannot be told.",
            bad='AIOKafkaProducer(bootstrap_servers=os.environ["BROKERS"])    # and no file says BROKERS',
            good='teams: {billing: {stores: [{kind: kafka, host: "billing-kafka.acme.example:9092"}]}}',
            mend="Use busline; or list the team's own broker under its `stores` in busline.yaml and let the code or a"
            " configuration file in its folder name it.",
        ),
        always=True,
    ),
    error(
        "foreign-store",
        "No service reads or writes another team's store.",
        Page(
            why="A table, a bucket or a queue of another team is no promise: it changes without notice, and what is"
            " read there nobody granted, masked or counted.",
            bad='psycopg.connect("postgresql://billing@orders-db.acme.example/orders")',
            good="subscribes: {orders.order-placed: {version: 1, fields: [order_id, total]}}",
            mend="Subscribe to what the owner publishes, or ask it to publish what you need. A store that two teams"
            f" share is told apart by `name` or `prefix` under each team's `stores`. {_AGREED}",
        ),
        always=True,
    ),
    error(
        "foreign-package",
        "No service imports another team's code.",
        Page(
            why="Another team's package brings its tables and its assumptions with it: two services that can only be"
            " released together.",
            bad="from orders_service.db import session",
            good="from billing.models import OrderPlaced     # written by busline codegen",
            mend=f"Use the contract's model (`busline codegen`), and the events instead of the code. {_AGREED}",
        ),
        always=True,
    ),
    error(
        "foreign-file",
        "No service uses another team's files or shared memory.",
        Page(
            why="A file that two teams write or read is a stream without a schema, an owner or a version.",
            bad='open("/srv/orders/export.csv")',
            good="subscribes: {orders.order-placed: …}",
            mend=f"Ask the owner to publish what the file holds. {_AGREED}",
        ),
        always=True,
    ),
    error(
        "foreign-host",
        "No service calls another team's hosts for data.",
        Page(
            why="A call binds both services' up-times and hides who reads what. Data that crosses a team boundary"
            " crosses it by a contract.",
            bad='httpx.get("https://orders.acme.example/api/orders")',
            good="subscribes: {orders.order-placed: …}",
            mend=f"Subscribe and keep what you need. {_AGREED}",
        ),
        always=True,
    ),
    error(
        "exception-expired",
        "An exception has not run out.",
        Page(
            why="It was agreed on until a day. From then on what it let be is found again.",
            bad="until: 2026-01-31     # and it is February",
            good="until: 2026-06-30     # agreed on again",
            mend="End the use and remove the exception, or agree on a later day with the owner.",
        ),
        always=True,
    ),
    warning(
        "exception-unused",
        "An exception lets something be.",
        Page(
            why="One that is left over would let the next way around pass unseen. It is told as a note.",
            bad="exceptions: [{service: billing/invoicing, rule: foreign-host, …}]     # the call is gone",
            good="exceptions: []",
            mend="Remove it.",
        ),
        always=True,
    ),
    warning(
        "not-looked-at",
        "Every file could be looked at.",
        Page(
            why="What cannot be parsed may hold anything. It is told as a note.",
            bad='print "Python 2"',
            good='print("Python 3")',
            mend="Look at it yourself, or make it a file that can be read: Python 3, UTF-8 or a declared encoding, at"
            " most 2 MB.",
        ),
        always=True,
    ),
)
