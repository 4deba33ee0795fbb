"""Clients by the name that they are imported by: what they speak, and which of their arguments say where."""

from __future__ import annotations

import re
from typing import Final

from busline.governance.audit_code.words import words

KAFKA: Final = "kafka"
_MODULES: Final = {
    KAFKA: "kafka aiokafka confluent_kafka faust pykafka kafkit quixstreams faststream.kafka faststream.confluent",
    "redis": "redis aioredis coredis rediscluster redis_om valkey walrus rq arq dramatiq faststream.redis",
    "nats": "nats pynats stan faststream.nats",
    "rabbitmq": "pika aio_pika aiormq amqp amqpstorm rabbitpy faststream.rabbit",
    "queue": "celery kombu",
    "postgres": "psycopg psycopg2 psycopg_pool asyncpg aiopg pg8000 postgres",
    "mysql": "pymysql MySQLdb aiomysql asyncmy mysql mariadb",
    "oracle": "oracledb cx_Oracle",
    "sqlite": "sqlite3 aiosqlite apsw",
    "clickhouse": "clickhouse_driver clickhouse_connect asynch aiochclient",
    "sql": "sqlalchemy sqlmodel databases records dataset peewee pony tortoise django alembic ormar dj_database_url"
    " pyodbc pymssql aioodbc turbodbc pandas polars connectorx dask pyspark duckdb ibis sqlite_utils",
    "mongodb": "pymongo motor mongoengine beanie odmantic umongo",
    "cassandra": "cassandra acsylla aiocassandra scyllapy",
    "elasticsearch": "elasticsearch opensearchpy elastic_transport",
    "memcached": "memcache pymemcache aiomcache bmemcached pylibmc",
    "aws": "boto3 aioboto3 aiobotocore botocore s3fs pynamodb minio smart_open",
    "http": "requests httpx aiohttp urllib urllib3 http httplib2 websockets websocket pycurl niquests grequests treq"
    " tornado uplink zeep suds gql xmlrpc jsonrpclib",
    "grpc": "grpc grpclib",
    "": "socket asyncio paramiko asyncssh ftplib aioftp fabric telnetlib smbclient pysftp subprocess os multiprocessing"
    " invoke sh plumbum pexpect fsspec gcsfs adlfs google azure snowflake redshift_connector trino prestodb neo4j"
    " influxdb_client ldap3 paho pulsar zmq kazoo etcd3 consul stomp rpyc Pyro5 Pyro4 jaydebeapi",
}
CLIENTS: Final = {module: kind for kind, modules in _MODULES.items() for module in modules.split()}
"""What a module speaks; a dotted name where one package holds several. Empty: anything."""

NAMES: Final = words(
    "database dbname db database_name keyspace bucket bucket_name tablename table_name table queue queue_name "
    "queuename topic topics subject subjects stream collection index schema exchange routing_key streamname topicarn "
    "queueurl name catalog domain"
)
"""Keywords that name a thing within a store."""
CONTENT: Final = words(
    "headers json data params cookies body payload files content value key message msg extra application_name "
    "client_name user_agent description"
)
"""Keywords for what is sent, not where to."""
PROCESSES: Final = words("subprocess os asyncio sh invoke plumbum pexpect fabric paramiko asyncssh")
HOST_KEYS: Final = re.compile(
    r"(?i)(host|hosts|hostname|server|servers|server_name|addr|address|node|nodes|seeds?|contact_points|endpoint|"
    r"endpoint_url|url|uri|dsn|broker|brokers|bootstrap[._]servers|broker_url|target|service_url|location|hostaddr|"
    r"base_url|connection_string|conninfo|metadata\.broker\.list|result_backend|backend)$"
)
CONNECTS: Final = re.compile(
    r"(?i)(connect|connection|client|cluster|redis|pool|param|parameters|consumer|producer|conn|engine|channel|manager|"
    r"broker|app|session|socket|database|elasticsearch|opensearch|ssh|ftp|server|kafka|proxy|create_connection|"
    r"open_connection)\w*$"
)
BY_NAME: Final = words(
    "import_module __import__ import_string import_object resolve_name run_module find_spec send_task signature "
    "locate load_object autodiscover_tasks import_from_string patch"
)
"""Calls that take a module's name as text: another way to import it."""
FILES: Final = re.compile(
    r"(?i)^(open|os\.open|io\.\w+|codecs\.open|pathlib\.\w+|(posix|nt)?path\.\w+|os\.\w+|os\.path\.\w+|shutil\.\w+|"
    r"glob\.\w+|tempfile\.\w+|aiofiles\.\w+|anyio\.\w+|pandas\.\w+|numpy\.\w+|polars\.\w+|pyarrow\.[\w.]+|h5py\.\w+|"
    r"joblib\.\w+|shelve\.open|dbm\.open|mmap\.mmap|fcntl\.\w+|watchdog\.[\w.]+|watchfiles\.\w+|sys\.path\.\w+|"
    r"gzip\.open|bz2\.open|lzma\.open|zipfile\.\w+|tarfile\.\w+|fileinput\.\w+|linecache\.\w+|runpy\.\w+|lmdb\.\w+|"
    r"plyvel\.\w+|rocksdb\.\w+|duckdb\.\w+|sqlite3\.\w+|aiosqlite\.\w+|apsw\.\w+|diskcache\.\w+|tinydb\.\w+|"
    r"subprocess\.\w+|sysv_ipc\.ftok|site\.\w+|importlib\.[\w.]+|csv\.\w+|json\.\w+|yaml\.\w+|pickle\.\w+)(\(\)[\w.()]*)?$"
)
FILE_METHODS: Final = words(
    "open read_text read_bytes write_text write_bytes iterdir glob rglob unlink mkdir touch rename exists stat"
)
MEMORY: Final = re.compile(
    r"(^|\.)(SharedMemory|ShareableList|SharedMemoryManager|Semaphore|MessageQueue|attach|shm_open)$"
)
MEMORY_MODULES: Final = words("multiprocessing posix_ipc sysv_ipc SharedArray shared_memory _posixshmem mmap")
_DATA_ONLY: Final = re.compile(
    r"^(?:aiokafka|kafka|confluent_kafka|faust)\.(?:errors|error|structs|record|partitioner|codec|util|version|"
    r"exceptions|serializer|conn\.ssl|KafkaError|KafkaException|TopicPartition|ConsumerRecord)(?:\.|$)"
)


_AWS: Final = {
    "bucket": "s3",
    "object": "s3",
    "table": "dynamodb",
    "tablename": "dynamodb",
    "queue": "sqs",
    "queueurl": "sqs",
}


_NO_CLIENT: Final = re.compile(
    r"urllib\.(parse|error)|http\.(HTTP|cookies|server)|os\.(?!system|popen|exec|spawn|posix_spawn)|asyncio\.(?!open_|"
    r"create_(?:subprocess|connection)|start_|get_|sub)|django\.(?!db|core\.cache|conf)"
)


def narrowed(kind: str, key: str, dotted: str) -> str:
    """Which of Amazon's stores a name is one of: its keyword or its method says so."""
    if kind != "aws":
        return kind
    return _AWS.get(key.lower()) or _AWS.get(dotted.rpartition(".")[2].lower(), kind)


def client_kind(dotted: str) -> str | None:
    """What a call's library speaks; None: no client that is known."""
    if _NO_CLIENT.match(dotted):
        return None
    parts = dotted.replace("()", "").split(".")
    for length in (2, 1):
        found = CLIENTS.get(".".join(parts[:length]))
        if found is not None:
            return found
    return None


def raw_kafka(dotted: str) -> bool:
    """A Kafka client's import, beyond its errors and plain values."""
    return client_kind(dotted) == KAFKA and not _DATA_ONLY.match(dotted)
