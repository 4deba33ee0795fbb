"""The rules of `busline audit`: what was found on an engine or in a registry that no contract explains.

They look at what is there, not at files, so none can be off. What a company has beside busline and wants is listed
under `environments.*.known` in busline.yaml, each with a reason and a last day.
"""

from __future__ import annotations

from typing import Final

from busline.contract.rules.rule import Page, Rule, error, warning

_KNOWN: Final = "What stays on purpose goes under `environments.*.known` in busline.yaml, with a reason and a last day."

ACCESS: Final = (
    error(
        "topic-without-contract",
        "Every topic is a contract's, or busline's own.",
        Page(
            why="Data in it crosses team boundaries without an owner, a version or a grant.",
            bad="topic orders-raw, and no contract with that topic",
            good="orders/orders-raw/contract.yaml with `kafka: {topic: orders-raw}`",
            mend=f"`busline adopt` writes the contract of a stream that is in use; else delete the topic. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "acl-unexplained",
        "Every right on the broker comes from a grant.",
        Page(
            why="An ACL that no contract explains is access that nobody agreed to, and that no review sees. One for"
            " `User:*` holds for who did not log in, too; a prefix or `*` holds for topics that are yet to come; a DENY"
            " hides what a contract grants.",
            bad="User:billing/invoicing may read topic orders.order-placed, and no grant says so",
            good="access: {subscribe: [billing/invoicing]}, and the service declares it",
            mend="`busline apply` deletes those of the workspace's own services. Others it never touches: delete them"
            f" by hand. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "rights-missing",
        "What is granted and applied is on the broker.",
        Page(
            why="The service is refused what its contracts promise: somebody deleted an ACL by hand.",
            bad="the ACL of an applied subscription, deleted with kafka-acls",
            good="the ACL as the contract says",
            mend="`busline apply` gives it back.",
        ),
        always=True,
    ),
    error(
        "user-unexplained",
        "Every user is a service's, or busline's own.",
        Page(
            why="Its secret opens the broker to somebody whom no file names. One without any ACL does nothing, or is a"
            " super user: the admin API does not say which.",
            bad="user batch-job with a password, and no service file with `kafka: {user: batch-job}`",
            good="a service file for it, or no user",
            mend=f"Give it a service file, or delete its secrets. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "secret-unexplained",
        "A service's user has one secret, but for a rotation.",
        Page(
            why="Kafka keeps one for each SCRAM mechanism, and either opens: who sets the other one is the service, and"
            " the service notices nothing.",
            bad="orders/checkout with SCRAM-SHA-512 and SCRAM-SHA-256, and no rotation in the contract log",
            good="busline apply --rotate orders/checkout, then --finish",
            mend="Delete the secret that the service does not use, and find who set it; or finish the rotation.",
        ),
        always=True,
    ),
    error(
        "quota-unexplained",
        "Every quota comes from a contract.",
        Page(
            why="A wider one lets a service drown others; a narrower one, or one by client id, which anybody may"
            " choose, starves it.",
            bad="a producer_byte_rate of 100 MB/s for orders/checkout, and `quota: {publish: 1MiB}`",
            good="the quota as the contract says",
            mend=f"`busline apply` sets those of the workspace's own services; delete others by hand. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "group-unexplained",
        "Every consumer group is a service's.",
        Page(
            why="Somebody reads, and nobody knows who is hurt by the next version.",
            bad="group console-consumer-4711 with a position in orders.order-placed",
            good="group billing/invoicing",
            mend="Find who runs it (host and client id are in the finding), and let a service declare it; delete the"
            f" group when it is over. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "group-undeclared",
        "A service's group reads what the service declares.",
        Page(
            why="It reads a stream without a subscription: no check of a new version asks it.",
            bad="group billing/invoicing with a position in growth.user-statistics, which its file does not name",
            good="subscribes: {growth.user-statistics: {version: 1, fields: [user_id]}}",
            mend="Run `busline declare`, get the grant, apply; or delete the group's positions in that topic.",
        ),
        always=True,
    ),
    error(
        "reader-undeclared",
        "A service runs the readers that it declares.",
        Page(
            why="A change is judged by declared readers. What runs is another one: it may break on a version that check"
            " let through.",
            bad="a release that reads `total`, while the file in the workspace lists [id]",
            good="the service file of that release, merged and applied before it is deployed",
            mend="Merge and apply the service file of what runs, or deploy what is declared. A stopped group counts"
            " until its positions expire, or are deleted.",
        ),
        always=True,
    ),
    error(
        "grant-unused",
        "What is granted is used.",
        Page(
            why="A right that nobody uses is a door that nobody watches.",
            bad="a subscription whose group stands still since March",
            good="the subscription removed from the service file, and the line from `access`",
            mend="Remove the subscription or publication, then the grant; then apply.",
        ),
        always=True,
    ),
)

ENGINE: Final = (
    error(
        "settings-differ",
        "A topic is kept as its contract says.",
        Page(
            why="Partitions, retention, size and compaction are what readers and publishers rely on: changed by hand,"
            " records are gone before they are read, or order per key is lost.",
            bad="retention.ms=3600000 on a topic whose contract says 7d",
            good="the topic as the contract says",
            mend="`busline plan` shows what apply puts right; partitions and replicas it never changes by itself.",
        ),
        always=True,
    ),
    error(
        "no-authorizer",
        "The broker refuses what no contract grants.",
        Page(
            why="Without an authorizer every client may do everything: contracts are asked for politely.",
            bad="no authorizer.class.name in server.properties",
            good="authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            mend="docs/platform.md says how to turn it on without stopping anybody.",
        ),
        always=True,
    ),
    error(
        "auto-creation",
        "No topic comes into being by itself.",
        Page(
            why="A slip in a name makes a topic without an owner, with whatever settings the broker has.",
            bad="auto.create.topics.enable=true",
            good="auto.create.topics.enable=false",
            mend="Set it in server.properties on the brokers named, and restart them one by one.",
        ),
        always=True,
    ),
    error(
        "reauthentication",
        "Who is connected logs in again within the hour.",
        Page(
            why="Kafka looks at a password when somebody connects, and then never again: a deleted user stays in.",
            bad="connections.max.reauth.ms=0",
            good="connections.max.reauth.ms=3600000",
            mend="Set it in server.properties, for each listener or for all, and restart the brokers one by one.",
        ),
        always=True,
    ),
    error(
        "offsets-retention",
        "A group's position is kept as long as the events.",
        Page(
            why="A group that was stopped longer than that has no position any more, and handles everything again.",
            bad="offsets.retention.minutes=10080, and a contract with retention 30d",
            good="offsets.retention.minutes=43200",
            mend="Set it in server.properties to the longest retention or more.",
        ),
        always=True,
    ),
    error(
        "unclean-election",
        "No replica leads that lacks confirmed records.",
        Page(
            why="Records that were confirmed as durable are lost without a word.",
            bad="unclean.leader.election.enable=true",
            good="unclean.leader.election.enable=false",
            mend="Set it to false, on the brokers or on the topic that is named.",
        ),
        always=True,
    ),
    error(
        "probe-allowed",
        "Who has no right is refused.",
        Page(
            why="The user busline/probe has no ACL, and the broker let it list the ACLs: it is a super user, or the"
            " broker allows everyone where no ACL is found. The admin API hides both settings.",
            bad="allow.everyone.if.no.acl.found=true, or super.users=User:busline/probe",
            good="allow.everyone.if.no.acl.found=false, and super.users without it",
            mend="Set both in server.properties, and restart the brokers one by one.",
        ),
        always=True,
    ),
    error(
        "anonymous-connects",
        "Nobody connects without saying who it is.",
        Page(
            why="A listener that asks for no credentials takes everybody for User:ANONYMOUS, who may hold rights, or"
            " be a super user.",
            bad="listeners=PLAINTEXT://0.0.0.0:9092",
            good="listeners=CLIENTS://0.0.0.0:9092 with SASL_SSL, or SSL with ssl.client.auth=required",
            mend="Close the listener, or let it ask for credentials.",
        ),
        always=True,
    ),
    warning(
        "controller-open",
        "The controllers' port asks for credentials.",
        Page(
            why="Whoever reaches it without any is User:ANONYMOUS there, mostly a super user, and changes every right"
            " past the brokers (KIP-919).",
            bad="listener.security.protocol.map=CONTROLLER:PLAINTEXT, on a port that others reach",
            good="listener.security.protocol.map=CONTROLLER:SASL_SSL",
            mend="Let it ask for credentials, as docker/kafka/enforcing.properties does, or keep it apart by network.",
        ),
        always=True,
    ),
    warning(
        "probe-not-run",
        "Every listener was probed.",
        Page(
            why="What could not be tried is not known to be closed. No answer is no refusal.",
            bad="busline audit without BUSLINE_PROBE_PASSWORD_FILE",
            good="the probe's secret given, and the audit run where every listener can be reached",
            mend="Give the secret of busline/probe, and run the audit where the broker's addresses can be reached.",
        ),
        always=True,
    ),
)

RECORDS: Final = (
    error(
        "record-undecodable",
        "What lies in a topic is an event of its contract.",
        Page(
            why="Somebody wrote past the contract: readers dead-letter the record, or stop.",
            bad="a JSON text in orders.order-placed",
            good="events written by busline, or with the registry's Avro serializer and the contract's schema",
            mend="Find the writer: --authorizer-log names who wrote. Then take its right away.",
        ),
        always=True,
    ),
    error(
        "key-misplaced",
        "A key lies in the partition where murmur2 puts it.",
        Page(
            why="Events of one key in two partitions have no order. librdkafka's default is another hash.",
            bad="a librdkafka producer with its default partitioner",
            good="partitioner=murmur2_random, or busline",
            mend="Set the publisher's partitioner; what lies there stays where it is.",
        ),
        always=True,
    ),
    warning(
        "records-not-sampled",
        "Every stream was looked into.",
        Page(
            why="What could not be read is not known to be clean.",
            bad="an audit whose user may not read a topic",
            good="busline/audit with READ on every topic",
            mend="Give the audit's user READ on topic `*`, or more time.",
        ),
        always=True,
    ),
    warning(
        "access-refused",
        "Nobody is refused.",
        Page(
            why="By the authorizer's log somebody tried what no contract grants: a service that lacks a grant, or one"
            " that looks for a way around.",
            bad="billing/invoicing, refused WRITE on orders.order-placed 4,000 times",
            good="a grant asked for with `busline request`, or the attempts stopped",
            mend="Ask the team of the user that is named.",
        ),
        always=True,
    ),
    warning(
        "log-unreadable",
        "Every line of the authorizer's log can be read.",
        Page(
            why="A line that cannot be told apart may have been forged: names of groups and topics are the client's. It"
            " is counted, and nobody is accused by it.",
            bad="a layout without %enc, where a group's name with a newline makes a second line",
            good="appender.authorizer.layout.pattern=[%d] %p %enc{%m}{CRLF} (%c)%n",
            mend="Let the log's layout write line ends out, and look at the lines.",
        ),
        always=True,
    ),
)

REGISTRY: Final = (
    error(
        "subject-without-contract",
        "Every subject in the registry is a contract's.",
        Page(
            why="Somebody publishes with it past the contracts, or did once.",
            bad="subject orders-raw-value, and no contract with it",
            good="a contract with `kafka: {subject: orders-raw-value}`",
            mend=f"`busline adopt` writes the contract of a stream in use; else delete the subject. {_KNOWN}",
        ),
        always=True,
    ),
    error(
        "version-unexplained",
        "A subject holds the contract's versions and no others.",
        Page(
            why="A client that registers by itself published a version that nobody checked, and readers meet it.",
            bad="auto.register.schemas=true in a producer",
            good="versions registered by apply alone",
            mend="Find who registers, and let its changes be versions of the contract; delete the version.",
        ),
        always=True,
    ),
    error(
        "version-missing",
        "A subject holds every applied version of its contract.",
        Page(
            why="A client that meets the version's id cannot read the event.",
            bad="version 2 applied, and deleted from the subject",
            good="the subject as apply wrote it",
            mend="`busline plan` shows what apply puts right; deleted schemas are restored with the registry's data.",
        ),
        always=True,
    ),
    error(
        "level-weaker",
        "A subject's level is the contract's or a stronger one.",
        Page(
            why="The registry lets a version through that hurts readers.",
            bad="NONE on a subject whose contract says BACKWARD_TRANSITIVE",
            good="the level as the contract says",
            mend="`busline apply` sets it.",
        ),
        always=True,
    ),
    error(
        "registry-writable",
        "Only apply writes to the registry.",
        Page(
            why="Who may register may publish a version that nobody checked.",
            bad="a registry that answers a change without credentials",
            good="a registry that asks for them, and lets apply's user alone write",
            mend="Turn authentication and authorization on in the registry, or in the proxy before it.",
        ),
        always=True,
    ),
    warning(
        "registry-not-probed",
        "The registry was looked at whole.",
        Page(
            why="What could not be asked is not known to be clean.",
            bad="a registry that lists 1,000 subjects and has no search",
            good="a registry that answers with all of them",
            mend="The finding says what is missing.",
        ),
        always=True,
    ),
    error(
        "known-over",
        "What is known has a day in the future.",
        Page(
            why="The reason was good until that day. What is listed is found again.",
            bad="known: [{user: batch-job, why: moves in May, until: 2026-05-31}]    # in June",
            good="the user gone, and the line removed",
            mend="Remove what is named, or agree anew in busline.yaml.",
        ),
        always=True,
    ),
)
AUDIT: Final[tuple[Rule, ...]] = (*ACCESS, *ENGINE, *RECORDS, *REGISTRY)
