"""`busline audit code` finds every way around that is planted, and takes no look-alike for one."""

import datetime as dt
from pathlib import Path
from textwrap import dedent

import pytest

from busline.contract.finding import Finding, Severity
from busline.contract.workspace import Workspace
from busline.governance.audit_code.audit import audit_code
from busline.names import Service

TODAY = dt.date(2026, 11, 24)
INVOICING = Service("billing/invoicing")
COMPANY = """
company: acme
environments:
  prod: {url: "kafka://kafka-1.acme.example:9092,kafka-2.acme.example:9092"}
  local: {url: "sqlite:////var/lib/busline/bus.db"}
teams:
  orders:
    stores:
      - {kind: postgres, host: orders-db.acme.example}
      - {kind: mysql, host: shared-sql.acme.example, name: orders}
      - {kind: redis, host: shared-redis.acme.example, prefix: "orders:"}
      - {kind: postgres, host: shared-pg.acme.example, prefix: "orders."}
      - {kind: mongodb, host: orders-mongo.acme.example}
      - {kind: rabbitmq, host: orders-mq.acme.example}
      - {kind: nats, host: orders-nats.acme.example}
      - {kind: redis, host: "orders-redis.acme.example:6379"}
      - {kind: cassandra, host: "*.orders-cass.acme.example"}
      - {kind: kafka, host: orders-kafka.acme.example}
      - {kind: s3, name: acme-orders}
      - {kind: dynamodb, name: OrdersTable}
      - {kind: sqlite, path: /data/orders/orders.db}
      - {kind: postgres, host: orders-db}
    packages: [orders_service, acme.orders, order-tools]
    hosts: [orders.acme.example, "orders-grpc.acme.example:50051", "*.orders.svc.acme.example"]
    paths: [/srv/orders, /dev/shm/orders-cache, services/orders]
  billing:
    stores:
      - {kind: postgres, host: billing-db.acme.example}
      - {kind: kafka, host: billing-kafka.acme.example}
      - {kind: redis, host: shared-redis.acme.example, prefix: "billing:"}
      - {kind: mysql, host: shared-sql.acme.example, name: billing}
      - {kind: s3, name: acme-billing}
    packages: [billing_service]
    hosts: [billing.acme.example]
    paths: [/srv/billing]
"""
DB = ("foreign-store", "postgres orders-db.acme.example")
REDIS = ("foreign-store", "redis orders-redis.acme.example:6379")
KEYS = ("foreign-store", "redis shared-redis.acme.example (orders:…)")
TABLES = ("foreign-store", "postgres shared-pg.acme.example (orders.…)")
MYSQL = ("foreign-store", "mysql shared-sql.acme.example/orders")
MONGO = ("foreign-store", "mongodb orders-mongo.acme.example")
MQ = ("foreign-store", "rabbitmq orders-mq.acme.example")
NATS = ("foreign-store", "nats orders-nats.acme.example")
CASSANDRA = ("foreign-store", "cassandra *.orders-cass.acme.example")
KAFKA = ("foreign-store", "kafka orders-kafka.acme.example")
S3 = ("foreign-store", "s3 acme-orders")
DYNAMO = ("foreign-store", "dynamodb OrdersTable")
FILE_DB = ("foreign-store", "sqlite /data/orders/orders.db")
SHORT = ("foreign-store", "postgres orders-db")
BUS = ("company-bus", "environment prod")
LOCAL_BUS = ("company-bus", "environment local")
PACKAGE = ("foreign-package", "orders_service")
NAMESPACE = ("foreign-package", "acme.orders")
TOOLS = ("foreign-package", "order-tools")
HOST = ("foreign-host", "orders.acme.example")
GRPC = ("foreign-host", "orders-grpc.acme.example:50051")
WILD = ("foreign-host", "*.orders.svc.acme.example")
FOLDER = ("foreign-file", "/srv/orders")
SHM = ("foreign-file", "/dev/shm/orders-cache")
NEIGHBOUR = ("foreign-file", "services/orders")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"), COMPANY)


def make_workspace(folder: Path, company: str) -> Workspace:
    (folder / "busline.yaml").write_text(company)
    for team in ("orders", "billing"):
        (folder / team).mkdir()
        (folder / team / "team.yaml").write_text(f"contact: {{chat: '#{team}-help'}}\n")
    return Workspace.load(folder)


def audit(folder: Path, workspace: Workspace, files: dict[str, str | bytes]) -> tuple[Finding, ...]:
    """Of a repository with the service at services/invoicing."""
    (folder / ".git").mkdir()
    service = folder / "services" / "invoicing"
    service.mkdir(parents=True)
    for name, text in files.items():
        file = service / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    return audit_code(service, INVOICING, workspace, TODAY).findings


PLANTED: dict[str, tuple[dict[str, str], set[tuple[str, str]]]] = {
    # raw Kafka clients
    "kafka-python at the bus": (
        {
            "a.py": (
                'from kafka import KafkaConsumer\nKafkaConsumer("x", bootstrap_servers="kafka-1.acme.example:9092")\n'
            )
        },
        {BUS},
    ),
    "kafka-python at the bus, as a list": (
        {
            "a.py": (
                "import kafka\n"
                'SERVERS = ["kafka-2.acme.example:9092"]\n'
                "kafka.KafkaProducer(bootstrap_servers=SERVERS)\n"
            )
        },
        {BUS},
    ),
    "aiokafka by environment and compose": (
        {
            "a.py": """
                import os
                from aiokafka import AIOKafkaProducer

                class Publisher:
                    def __init__(self):
                        self.brokers = os.environ["BROKERS"]

                    async def start(self):
                        self.producer = AIOKafkaProducer(bootstrap_servers=self.brokers.split(","))
            """,
            "compose.yaml": """
                services:
                  app:
                    image: invoicing
                    environment:
                      BROKERS: "kafka-1.acme.example:9092,kafka-2.acme.example:9092"
            """,
        },
        {BUS},
    ),
    "confluent's configuration": (
        {
            "a.py": """
                from confluent_kafka import Consumer
                conf = {"bootstrap.servers": "kafka-1.acme.example", "group.id": "billing/invoicing"}
                consumer = Consumer(conf)
            """
        },
        {BUS},
    ),
    "faust": ({"a.py": 'import faust\napp = faust.App("x", broker="kafka://kafka-1.acme.example:9092")\n'}, {BUS}),
    "faststream": (
        {"a.py": 'from faststream.kafka import KafkaBroker\nbroker = KafkaBroker("kafka-1.acme.example:9092")\n'},
        {BUS},
    ),
    "pykafka": ({"a.py": 'from pykafka import KafkaClient\nKafkaClient(hosts="kafka-1.acme.example:9092")\n'}, {BUS}),
    "a raw client that says no place": (
        {
            "a.py": (
                "import os\n"
                "from aiokafka import AIOKafkaConsumer\n"
                "AIOKafkaConsumer(bootstrap_servers=os.environ['B'])\n"
            )
        },
        {("raw-client", "aiokafka")},
    ),
    "a raw client, imported by its name": (
        {"a.py": 'import importlib\nk = importlib.import_module("confluent_kafka")\n'},
        {("raw-client", "confluent_kafka")},
    ),
    "a raw client among the requirements": (
        {"requirements.txt": "busline\nconfluent-kafka>=2.0\n"},
        {("raw-client", "confluent-kafka")},
    ),
    "another team's own Kafka": (
        {"a.py": 'import kafka\nkafka.KafkaConsumer(bootstrap_servers="orders-kafka.acme.example:9092")\n'},
        {KAFKA},
    ),
    "the bus's file": (
        {"a.py": 'import sqlite3\nsqlite3.connect("/var/lib/busline/bus.db")\n'},
        {LOCAL_BUS},
    ),
    # databases
    "psycopg, a URL": (
        {"a.py": 'import psycopg\npsycopg.connect("postgresql://b:secret@orders-db.acme.example/orders")\n'},
        {DB},
    ),
    "psycopg2, keywords": (
        {"a.py": 'import psycopg2 as pg\nwith pg.connect(host="orders-db.acme.example", dbname="o") as c:\n    pass\n'},
        {DB},
    ),
    "libpq's own form": (
        {"a.py": 'from psycopg import connect\nconnect("host=orders-db.acme.example dbname=orders user=b")\n'},
        {DB},
    ),
    "asyncpg in a function, awaited": (
        {
            "a.py": """
                import asyncpg
                HOST = "orders-db" + ".acme.example"
                async def main():
                    pool = await asyncpg.create_pool(dsn=f"postgres://{USER}:{SECRET}@{HOST}:5432/orders")
            """
        },
        {DB},
    ),
    "sqlalchemy, %-formatted": (
        {
            "a.py": """
                from sqlalchemy import create_engine
                e = create_engine("postgresql+psycopg://%s:%s@%s/orders" % (user, secret, "orders-db.acme.example"))
            """
        },
        {DB},
    ),
    "sqlalchemy, format and a class attribute": (
        {
            "a.py": """
                import sqlalchemy as sa
                class Settings:
                    host = "orders-db.acme.example"
                settings = Settings()
                engine = sa.create_engine("postgresql://{}/orders".format(settings.host))
            """
        },
        {DB},
    ),
    "sqlalchemy, URL.create": (
        {
            "a.py": """
                from sqlalchemy.engine import URL
                from sqlalchemy import create_engine
                create_engine(URL.create("postgresql", host="orders-db.acme.example", database="orders"))
            """
        },
        {DB},
    ),
    "a default of the environment": (
        {
            "a.py": 'import os, psycopg\npsycopg.connect(os.getenv("DSN", "postgresql://orders-db.acme.example/orders"))\n'
        },
        {DB},
    ),
    "settings of another module": (
        {
            "app/__init__.py": "",
            "app/settings.py": 'HOSTS = {"orders": "orders-db.acme.example"}\nTIMEOUT = 3\n',
            "app/db.py": 'import psycopg\nfrom app.settings import HOSTS\npsycopg.connect(host=HOSTS["orders"])\n',
        },
        {DB},
    ),
    "pydantic settings": (
        {
            "a.py": """
                from pydantic_settings import BaseSettings
                class Settings(BaseSettings):
                    orders_dsn: str = "postgresql://orders-db.acme.example/orders"
            """
        },
        {DB},
    ),
    "Django's DATABASES": (
        {
            "settings.py": """
                DATABASES = {
                    "default": {"HOST": "billing-db.acme.example", "NAME": "billing"},
                    "theirs": {"ENGINE": "django.db.backends.postgresql", "HOST": "orders-db.acme.example"},
                }
            """
        },
        {DB},
    ),
    "a shared server, their database": (
        {"a.py": 'import pymysql\npymysql.connect(host="shared-sql.acme.example", database="orders")\n'},
        {MYSQL},
    ),
    "a shared server, their database in a URL": (
        {
            "a.py": 'import sqlalchemy\nsqlalchemy.create_engine("mysql+aiomysql://shared-sql.acme.example/orders?x=1")\n'
        },
        {MYSQL},
    ),
    "their schema in a query": (
        {
            "a.py": """
                import psycopg
                with psycopg.connect("postgresql://shared-pg.acme.example/all") as connection:
                    connection.execute("SELECT id FROM orders.lines WHERE paid")
            """
        },
        {TABLES},
    ),
    "pandas": (
        {"a.py": 'import pandas as pd\npd.read_sql("select 1", "postgresql://orders-db.acme.example/orders")\n'},
        {DB},
    ),
    "mongo": (
        {"a.py": 'from pymongo import MongoClient\nMongoClient("orders-mongo.acme.example", 27017)\n'},
        {MONGO},
    ),
    "motor, several hosts": (
        {
            "a.py": """
                from motor.motor_asyncio import AsyncIOMotorClient
                client = AsyncIOMotorClient("mongodb://x.acme.example,orders-mongo.acme.example/?replicaSet=r")
            """
        },
        {MONGO},
    ),
    "cassandra": (
        {"a.py": 'from cassandra.cluster import Cluster\nCluster(["n1.orders-cass.acme.example"])\n'},
        {CASSANDRA},
    ),
    "their sqlite file": (
        {"a.py": 'import sqlite3\nsqlite3.connect("file:/data/orders/orders.db?mode=ro", uri=True)\n'},
        {FILE_DB},
    ),
    "a short host name": ({"a.py": 'import psycopg\npsycopg.connect(host="orders-db")\n'}, {SHORT}),
    # brokers and caches
    "redis": ({"a.py": 'import redis\nr = redis.Redis(host="orders-redis.acme.example")\n'}, {REDIS}),
    "redis, a URL from .env": (
        {
            "a.py": 'import os\nfrom redis.asyncio import from_url\nr = from_url(os.environ["CACHE"])\n',
            ".env": "CACHE=redis://:geheim@orders-redis.acme.example:6379/0\n",
        },
        {REDIS},
    ),
    "a key of theirs in a shared redis": (
        {
            "a.py": """
                import redis
                class Cache:
                    def __init__(self):
                        self.r = redis.Redis(host="shared-redis.acme.example")
                    def get(self, order):
                        return self.r.hgetall(f"orders:{order}")
            """
        },
        {KEYS},
    ),
    "pika": (
        {"a.py": 'import pika\npika.BlockingConnection(pika.ConnectionParameters("orders-mq.acme.example"))\n'},
        {MQ},
    ),
    "aio_pika": (
        {
            "a.py": 'import aio_pika\nasync def f():\n    await aio_pika.connect_robust("amqp://orders-mq.acme.example/")\n'
        },
        {MQ},
    ),
    "celery": (
        {"a.py": 'from celery import Celery\napp = Celery("x", broker="amqp://b:c@orders-mq.acme.example//")\n'},
        {MQ},
    ),
    "nats": (
        {
            "a.py": 'import nats\nasync def f():\n    await nats.connect(servers=["nats://orders-nats.acme.example:4222"])\n'
        },
        {NATS},
    ),
    "a bucket": ({"a.py": 'import boto3\nboto3.client("s3").get_object(Bucket="acme-orders", Key="x")\n'}, {S3}),
    "a bucket as a URL": ({"a.py": 'import pandas\npandas.read_parquet("s3://acme-orders/2026/x.parquet")\n'}, {S3}),
    "a bucket of a resource": (
        {"a.py": 'import boto3\ns3 = boto3.resource("s3")\nb = s3.Bucket("acme-orders")\n'},
        {S3},
    ),
    "a table": ({"a.py": 'import boto3\nt = boto3.resource("dynamodb").Table("OrdersTable")\n'}, {DYNAMO}),
    # packages
    "an import": ({"a.py": "import orders_service.db as db\n"}, {PACKAGE}),
    "an import from": ({"a.py": "def f():\n    from orders_service import session\n"}, {PACKAGE}),
    "an import of a namespace": ({"a.py": "from acme import orders\n"}, {NAMESPACE}),
    "import_module": (
        {"a.py": 'from importlib import import_module\nNAME = "orders_service"\nimport_module(NAME + ".db")\n'},
        {PACKAGE},
    ),
    "__import__": ({"a.py": '__import__("orders_service")\n'}, {PACKAGE}),
    "a task by its name": (
        {"a.py": 'def f(app):\n    app.send_task("orders_service.tasks.refund", args=[1])\n'},
        {PACKAGE},
    ),
    "a requirement": ({"requirements/base.txt": "requests\nOrders.Service>=1.0 ; python_version > '3.8'\n"}, {PACKAGE}),
    "a requirement from git": (
        {"requirements.txt": "git+https://git.acme.example/orders/orders-service.git@v3#egg=x\n"},
        {PACKAGE},
    ),
    "an editable neighbour": ({"requirements.txt": "-e ../orders\n"}, {NEIGHBOUR}),
    "pyproject of pip": (
        {"pyproject.toml": '[project]\nname = "invoicing"\ndependencies = ["httpx", "acme-orders~=2.0"]\n'},
        {NAMESPACE},
    ),
    "pyproject of poetry": (
        {
            "pyproject.toml": (
                "[tool.poetry.dependencies]\n"
                'python = "^3.11"\n'
                "[tool.poetry.group.dev.dependencies]\n"
                'order-tools = {git = "https://git.acme.example/x.git"}\n'
            )
        },
        {TOOLS},
    ),
    "pyproject of uv": (
        {
            "pyproject.toml": (
                '[dependency-groups]\ndev = ["pytest", "orders_service"]\n[tool.uv.sources]\nx = {path = "../orders"}\n'
            )
        },
        {PACKAGE, NEIGHBOUR},
    ),
    "pyproject of pdm": ({"pyproject.toml": '[tool.pdm.dev-dependencies]\ntest = ["order_tools>=1"]\n'}, {TOOLS}),
    "setup.py": (
        {"setup.py": 'from setuptools import setup\nsetup(name="x", install_requires=["orders-service>1"])\n'},
        {PACKAGE},
    ),
    "sys.path": ({"a.py": 'import sys\nsys.path.insert(0, "/srv/orders/lib")\n'}, {FOLDER}),
    # files and memory
    "open": ({"a.py": 'with open("/srv/orders/export.csv") as f:\n    pass\n'}, {FOLDER}),
    "a path in parts": (
        {"a.py": 'from pathlib import Path\nROOT = Path("/srv")\ntext = (ROOT / "orders" / "x.json").read_text()\n'},
        {FOLDER},
    ),
    "os.path.join": (
        {"a.py": 'import os\nbase = "/srv"\nfor n in os.listdir(os.path.join(base, "orders")):\n    pass\n'},
        {FOLDER},
    ),
    "a detour": ({"a.py": 'open("/srv/billing/../orders/x")\n'}, {FOLDER}),
    "a relative path": ({"a.py": 'open("../orders/data.csv")\n'}, {NEIGHBOUR}),
    "a path of a function's caller": (
        {"a.py": 'def load(path):\n    return open(path).read()\n\nload("/srv/orders/x")\n'},
        {FOLDER},
    ),
    "shared memory": (
        {"a.py": 'from multiprocessing import shared_memory\nshared_memory.SharedMemory(name="orders-cache")\n'},
        {SHM},
    ),
    "mmap": ({"a.py": 'import mmap\nf = open("/dev/shm/orders-cache", "r+b")\nm = mmap.mmap(f.fileno(), 0)\n'}, {SHM}),
    "posix_ipc": ({"a.py": 'import posix_ipc\nposix_ipc.SharedMemory("/orders-cache")\n'}, {SHM}),
    "a volume": ({"docker-compose.yml": "services:\n  app:\n    volumes:\n      - /srv/orders:/data:ro\n"}, {FOLDER}),
    "a hostPath": (
        {
            "k8s/pod.yaml": (
                "kind: Pod\nspec:\n  volumes:\n    - name: x\n      hostPath:\n        path: /srv/orders/export\n"
            )
        },
        {FOLDER},
    ),
    # HTTP and gRPC
    "requests": ({"a.py": 'import requests\nrequests.get("https://orders.acme.example/api/orders/1")\n'}, {HOST}),
    "a session of httpx": (
        {
            "a.py": """
                import httpx
                async def f(order):
                    async with httpx.AsyncClient(base_url="https://billing.acme.example") as client:
                        return await client.get(f"https://orders.acme.example/orders/{order}")
            """
        },
        {HOST},
    ),
    "a base URL": (
        {"a.py": 'import httpx\nc = httpx.Client(base_url="http://api.orders.svc.acme.example:8080")\n'},
        {WILD},
    ),
    "aiohttp, joined": (
        {
            "a.py": """
                import aiohttp
                from urllib.parse import urljoin
                BASE = "https://orders.acme.example"
                async def f():
                    async with aiohttp.ClientSession() as s, s.get(urljoin(BASE, "/v1/orders")) as r:
                        return await r.json()
            """
        },
        {HOST},
    ),
    "urllib": ({"a.py": 'from urllib.request import urlopen\nurlopen("http://orders.acme.example")\n'}, {HOST}),
    "http.client": ({"a.py": 'import http.client\nhttp.client.HTTPSConnection("orders.acme.example")\n'}, {HOST}),
    "grpc": ({"a.py": 'import grpc\nch = grpc.aio.insecure_channel("orders-grpc.acme.example:50051")\n'}, {GRPC}),
    "a socket": ({"a.py": 'import socket\nsocket.create_connection(("orders-db.acme.example", 5432))\n'}, {DB}),
    "a process": ({"a.py": 'import subprocess\nsubprocess.run(["psql", "-h", "orders-db.acme.example"])\n'}, {DB}),
    "a call within a comparison": (
        {"a.py": 'import requests\nif requests.get("https://orders.acme.example").ok is True:\n    pass\n'},
        {HOST},
    ),
    # configuration alone
    ".env": ({".env.prod": 'export DATABASE_URL="postgres://b:c@orders-db.acme.example/orders"\n'}, {DB}),
    ".env in two parts": ({".env": "DB_HOST=shared-sql.acme.example\nDB_NAME=orders\n"}, {MYSQL}),
    ".env, interpolated": ({".env": "H=orders-redis.acme.example\nREDIS_URL=redis://${H}:${PORT:-6379}/0\n"}, {REDIS}),
    "ini": ({"alembic.ini": "[alembic]\nsqlalchemy.url = postgresql://orders-db.acme.example/orders\n"}, {DB}),
    "toml": ({"config.toml": '[db]\nhost = "orders-db.acme.example"\n'}, {DB}),
    "yaml": ({"config/app.yaml": "orders:\n  api_url: https://orders.acme.example/v1\n"}, {HOST}),
    "json": (
        {
            "appsettings.json": (
                '{"ConnectionStrings": {"Orders": "Server=tcp:orders-db.acme.example,1433;Database=x;Password=p"}}\n'
            )
        },
        {DB},
    ),
    "compose, a list": (
        {"compose.yml": "services:\n  app:\n    environment:\n      - MONGO_URL=mongodb://orders-mongo.acme.example\n"},
        {MONGO},
    ),
    "kubernetes": (
        {
            "deploy.yaml": (
                "a: 1\n"
                "---\n"
                "spec:\n"
                "  containers:\n"
                "    - name: app\n"
                "      env:\n"
                "        - name: PGHOST\n"
                "          value: orders-db.acme.example\n"
            )
        },
        {DB},
    ),
    "a Dockerfile": ({"Dockerfile": "FROM python\nENV ORDERS_URL=https://orders.acme.example\n"}, {HOST}),
    # the same, less plainly
    "a dict that grows": (
        {
            "a.py": """
                from confluent_kafka import Producer
                conf = {"acks": "all"}
                conf["bootstrap.servers"] = "kafka-1.acme.example:9092"
                Producer(conf)
            """
        },
        {BUS},
    ),
    "a dict that is updated": (
        {
            "a.py": """
                from confluent_kafka import Producer
                conf = {"acks": "all"}
                conf.update({"bootstrap.servers": "kafka-1.acme.example:9092"})
                Producer({**conf, "linger.ms": 5})
            """
        },
        {BUS},
    ),
    "a derived client": (
        {"a.py": 'import kafka\nclass C(kafka.KafkaConsumer): ...\nC(bootstrap_servers="kafka-1.acme.example")\n'},
        {BUS},
    ),
    "getattr": (
        {"a.py": 'import kafka\ngetattr(kafka, "KafkaConsumer")(bootstrap_servers="kafka-1.acme.example")\n'},
        {BUS},
    ),
    "import *": (
        {"a.py": 'from kafka import *\nKafkaConsumer(bootstrap_servers="kafka-1.acme.example")\n'},
        {BUS},
    ),
    "a broker from a file of JSON": (
        {
            "a.py": (
                "import json, kafka\n"
                'c = json.load(open("c.json"))\n'
                'kafka.KafkaConsumer(bootstrap_servers=c["brokers"])\n'
            ),
            "c.json": '{"brokers": "kafka-1.acme.example:9092"}\n',
        },
        {BUS},
    ),
    "a Kafka tool in a script": ({"run.sh": "kcat -b kafka-1.acme.example:9092 -t x\n"}, {BUS}),
    "a connector in compose": (
        {
            "compose.yaml": (
                "services:\n  c:\n    environment:\n      CONNECT_BOOTSTRAP_SERVERS: kafka-1.acme.example:9092\n"
            )
        },
        {BUS},
    ),
    "a command's option": (
        {
            "a.py": """
                import argparse
                parser = argparse.ArgumentParser()
                parser.add_argument("--dsn", default="postgresql://orders-db.acme.example/o")
            """
        },
        {DB},
    ),
    "a constant of a base class": (
        {
            "a.py": """
                import httpx
                class Base:
                    host = "orders"
                    @property
                    def url(self):
                        return f"https://{self.host}.acme.example"
                class Api(Base):
                    def get(self):
                        return httpx.get(self.url + "/x")
            """
        },
        {HOST},
    ),
    "a function of another module": (
        {
            "h.py": "import httpx\ndef fetch(url):\n    return httpx.get(url)\n",
            "a.py": 'from h import fetch\nfetch("https://orders.acme.example/x")\n',
        },
        {HOST},
    ),
    "a path from the file's own place": (
        {
            "a.py": (
                "from pathlib import Path\n"
                "ROOT = Path(__file__).resolve().parents[1]\n"
                '(ROOT / "orders" / "x").read_text()\n'
            )
        },
        {NEIGHBOUR},
    ),
    "a copy of their package": (
        {
            "vendor/orders_service/__init__.py": "",
            "a.py": 'import sys\nsys.path.append("vendor")\nimport orders_service\n',
        },
        {PACKAGE},
    ),
    "exec": ({"a.py": 'exec("import orders_service")\n'}, {PACKAGE}),
    "pip in a Dockerfile": ({"Dockerfile": "FROM python\nRUN pip install orders-service==1.2\n"}, {PACKAGE}),
    "conda": ({"environment.yml": "dependencies:\n  - python=3.12\n  - pip:\n    - orders-service==1\n"}, {PACKAGE}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_back_door_is_found(name: str, workspace: Workspace, tmp_path: Path) -> None:
    files, expected = PLANTED[name]
    found = [one for one in audit(tmp_path, workspace, dict(files)) if one.severity is not Severity.NOTE]
    assert {(one.rule, one.key) for one in found} == expected, [str(one) for one in found]
    assert all(one.fix and f"({one.key})" in one.what for one in found)


LOOK_ALIKES: dict[str, dict[str, str]] = {
    "the own database": {"a.py": 'import psycopg\npsycopg.connect("postgresql://billing-db.acme.example/billing")\n'},
    "the own Kafka": {
        "a.py": (
            "from aiokafka import AIOKafkaProducer\n"
            'AIOKafkaProducer(bootstrap_servers="billing-kafka.acme.example:9092")\n'
        )
    },
    "the own Kafka, by environment": {
        "a.py": 'import os, kafka\nkafka.KafkaProducer(bootstrap_servers=os.environ["KAFKA"])\n',
        ".env": "KAFKA=billing-kafka.acme.example:9092\n",
    },
    "the own package": {"a.py": "from billing_service import db\nimport billing_service.models\n"},
    "the own files": {"a.py": 'open("/srv/billing/orders/x.csv")\n'},
    "the own host": {"a.py": 'import requests\nrequests.get("https://billing.acme.example/orders")\n'},
    "the own bucket": {
        "a.py": 'import boto3\nboto3.client("s3").get_object(Bucket="acme-billing", Key="acme-orders")\n'
    },
    "busline itself": {
        "a.py": (
            'from busline import Bus\nbus = Bus("kafka://kafka-1.acme.example:9092", service="billing/invoicing")\n'
        ),
        ".env": "BUSLINE_URL=kafka://kafka-1.acme.example:9092\n",
    },
    "the own schema of a shared server": {
        "a.py": (
            "import psycopg\n"
            'c = psycopg.connect("postgresql://shared-pg.acme.example/all")\n'
            'c.execute("select * from billing.orders")\n'
        )
    },
    "the own database of a shared server": {
        "a.py": 'import pymysql\npymysql.connect(host="shared-sql.acme.example", database="billing")\n'
    },
    "the own keys of a shared redis": {
        "a.py": 'import redis\nr = redis.Redis("shared-redis.acme.example")\nr.get("billing:orders:1")\n'
    },
    "a comment": {"a.py": "# see https://orders.acme.example and postgresql://orders-db.acme.example/orders\nx = 1\n"},
    "a docstring": {"a.py": '"""Replaces orders_service; was postgresql://orders-db.acme.example/orders."""\n'},
    "a docstring of a function": {"a.py": 'def f():\n    """Not https://orders.acme.example any more."""\n'},
    "a log line": {
        "a.py": 'import logging\nlogging.info("orders-db.acme.example is not ours: https://orders.acme.example")\n'
    },
    "a logger's line": {"a.py": 'log.warning("see postgresql://orders-db.acme.example/%s", name)\n'},
    "an error": {"a.py": 'raise ValueError("do not use postgresql://orders-db.acme.example")\n'},
    "a comparison": {"a.py": 'def ours(host):\n    return host != "orders-db.acme.example"\n'},
    "an allow list": {
        "a.py": 'ALLOWED_HOSTS = ["orders.acme.example"]\nCORS_ORIGINS = ["https://orders.acme.example"]\n'
    },
    "a link to docs": {
        "a.py": 'DOCS_URL = "https://orders.acme.example/docs"\nHELP = "https://orders.acme.example/help"\n'
    },
    "a longer host": {"a.py": 'import requests\nrequests.get("https://orders.acme.example.org/x")\n'},
    "a host before it": {"a.py": 'import psycopg\npsycopg.connect(host="my-orders-db.acme.example")\n'},
    "a host in a path": {"a.py": 'import requests\nrequests.get("https://billing.acme.example/orders.acme.example")\n'},
    "a host in a query": {
        "a.py": 'import requests\nrequests.get("https://x.example/?next=https%3A//orders.acme.example")\n'
    },
    "a user called so": {"a.py": 'import requests\nrequests.get("https://orders.acme.example@x.example/")\n'},
    "another port": {"a.py": 'import redis\nredis.Redis.from_url("redis://orders-redis.acme.example:6380/0")\n'},
    "another kind": {"a.py": 'import boto3\nboto3.resource("dynamodb").Table("acme-orders")\n'},
    "a package that begins alike": {
        "a.py": "import orders_service2\nimport orders\nfrom acme import orders_ui\nimport acme\n"
    },
    "a module of the service itself": {"orders_service/__init__.py": "", "a.py": "import orders_service\n"},
    "a relative import": {
        "app/__init__.py": "",
        "app/a.py": "from . import orders_service\nfrom .orders_service import x\n",
    },
    "a variable called so": {"a.py": "orders_service = 1\nkafka = {}\nkafka['x'] = orders_service\n"},
    "a module called kafka": {"app/kafka.py": "def produce(): ...\n", "app/a.py": "from app.kafka import produce\n"},
    "a local kafka": {"kafka.py": "def produce(): ...\n", "a.py": "import kafka\nkafka.produce()\n"},
    "errors of kafka": {
        "a.py": "from aiokafka.errors import KafkaError\nfrom kafka.errors import NoBrokersAvailable\n"
    },
    "a requirement that begins alike": {
        "requirements.txt": "orders-service-client==1\nmy-orders-service\naiokafka==0.14.0\n"
    },
    "a commented requirement": {"requirements.txt": "# orders-service\nrequests  # not orders-service\n"},
    "the project's own keywords": {
        "pyproject.toml": '[project]\nname = "x"\nkeywords = ["orders-service"]\ndescription = "no orders_service"\n'
    },
    "a path that begins alike": {
        "a.py": 'open("/srv/orders-archive/x")\nopen("/srv/ordersx")\nopen("/srv/billing/x")\n'
    },
    "a path within a path": {"a.py": 'open("/backup/srv/orders/x")\n'},
    "a route": {"a.py": 'app.get("/srv/orders")\nrouter.add_route("/srv/orders/x", handler)\n'},
    "own shared memory": {
        "a.py": (
            "from multiprocessing.shared_memory import SharedMemory\n"
            'SharedMemory(name="billing-cache")\n'
            "SharedMemory(create=True, size=9)\n"
        )
    },
    "a dictionary's get": {"a.py": 'labels = {}\nlabels.get("https://orders.acme.example")\n'},
    "no_proxy": {".env": "NO_PROXY=orders.acme.example,orders-db.acme.example\n"},
    "configured origins": {
        "config.yaml": "cors_allowed_origins:\n  - https://orders.acme.example\ndocs_url: https://orders.acme.example/docs\n"
    },
    "a comment in configuration": {
        "app.ini": (
            "[db]\n"
            "; host = orders-db.acme.example\n"
            "# url = postgres://orders-db.acme.example\n"
            "host = billing-db.acme.example\n"
        )
    },
    "a comment in YAML": {"c.yaml": "db:\n  host: billing-db.acme.example # not orders-db.acme.example\n"},
    "an installed library": {
        ".venv/lib/a.py": "import orders_service\n",
        "node_modules/x/.env": "URL=https://orders.acme.example\n",
    },
    "an environment with another name": {"py/pyvenv.cfg": "home = /usr\n", "py/lib/a.py": "import orders_service\n"},
    "a workspace": {"schemas/busline.yaml": COMPANY},
    "a README": {"README.md": "`psql postgresql://orders-db.acme.example/orders`\n"},
    "a word like a short host": {"a.py": 'import logging\nlog = logging.getLogger("orders-db")\nname = "orders-db"\n'},
    "SQL that only sounds like it": {
        "a.py": (
            "import psycopg\n"
            'c = psycopg.connect("host=billing-db.acme.example")\n'
            'c.execute("select orders.id from billing.x as orders")\n'
        )
    },
    "a script beside its module": {"jobs/orders_service.py": "", "jobs/run.py": "import orders_service\n"},
    "a link among data": {
        "a.py": 'import redis\nredis.Redis(host="billing-redis").set("x", "https://orders.acme.example")\n'
    },
    "a link in a row": {
        "a.py": """
            import psycopg
            c = psycopg.connect("host=billing-db.acme.example")
            c.execute("insert into links values (%s)", ("https://orders.acme.example",))
        """
    },
    "a referer": {
        "a.py": """
            import requests
            requests.get("https://billing.acme.example", headers={"Referer": "https://orders.acme.example"})
        """
    },
    "a source in an event": {"a.py": 'event = {"source": "https://orders.acme.example", "type": "x"}\n'},
    "a URL taken apart": {
        "a.py": 'from urllib.parse import urlparse\nurlparse("https://orders.acme.example/x").path\n'
    },
    "a default of a link to docs": {"a.py": 'import os\nos.getenv("DOCS_URL", "https://orders.acme.example/docs")\n'},
    "a route of an ingress": {"i.yaml": "spec:\n  rules:\n  - http:\n      paths:\n      - path: /srv/orders\n"},
    "what busline itself installs": {
        "requirements.txt": "busline[kafka]==0.1\naiokafka==0.14.0\nkafka-python==3.0.8\n"
    },
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_is_let_be(name: str, workspace: Workspace, tmp_path: Path) -> None:
    found = audit(tmp_path, workspace, dict(LOOK_ALIKES[name]))
    assert [str(one) for one in found] == []
