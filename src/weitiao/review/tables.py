"""The review database: its tables, and how SQLite and PostgreSQL are opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from weitiao.errors import UserError
from weitiao.talk import t

# Where a record stands: nobody decided; one of two did; whoever had it skipped it; two disagree; it is decided.
OPEN, SECOND, SKIPPED, CONFLICT, DONE = range(5)

metadata = MetaData()
people = Table(
    "review_people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("token", String(64), unique=True),  # its SHA-256; null of one who decided in another tool
    Column("adjudicates", Boolean, nullable=False),
    Index("review_people_by_name", "project", "name", unique=True),
)
# The queue as it was drawn last; what was decided stands beside it, and outlives it.
items = Table(
    "review_items",
    metadata,
    Column("project", String(200), primary_key=True),
    Column("key", String(24), primary_key=True),  # digest of the record's id and messages: another text, another item
    Column("record", String(100), nullable=False),
    Column("source", String(100), nullable=False),  # the record itself; of a planted one that which it was made of
    Column("rank", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("planted", String(20), nullable=False),  # in which way the answer is bad; empty of a real record
    Column("audited", Boolean, nullable=False),  # drawn at random: it speaks for the records that nobody sees
    Column("doubled", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("pool", SmallInteger, nullable=False),
    Column("whose", Integer, nullable=False),  # who decided first, or skipped last; 0 while nobody did
    Column("holder", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Column("final", Integer),  # the decision that holds
    # The next record of a pool is the first of this index that nobody holds.
    Index("review_items_next", "project", "pool", "whose", "rank"),
    Index("review_items_held", "project", "holder"),
    Index("review_items_record", "project", "record"),
)
decisions = Table(
    "review_decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String(200), nullable=False),
    Column("item", String(24), nullable=False),
    Column("record", String(100), nullable=False),
    Column("person", Integer, nullable=False),
    Column("verdict", String(10), nullable=False),  # accept, edit, reject, skip; undo
    Column("ruling", Boolean, nullable=False),  # by an adjudicator, who saw what both had said
    Column("said", Text, nullable=False),  # scores, tags, comment, edited messages
    Column("seconds", Float),
    Column("at", Float, nullable=False),  # seconds since 1970
    Column("undoes", Integer, index=True),
    Index("review_decisions_by_item", "project", "item"),
    Index("review_decisions_by_person", "project", "person", "id"),
    sqlite_autoincrement=True,
)
draws = Table(
    "review_draws",
    metadata,
    Column("project", String(200), primary_key=True),
    Column("digest", String(24), nullable=False),
)


class Gone(UserError):
    """The file of the database was removed, or another one is in its place: what is written now would be lost."""


class Hold:
    """Holds that the file of an open database is still the one that was opened; a server has none."""

    def __init__(self, engine: Engine) -> None:
        sqlite = engine.dialect.name == "sqlite"
        self._path = Path(engine.url.database).absolute() if sqlite and engine.url.database else None
        self._file = self._now()
        self._gone = False

    def stands(self) -> bool:
        """Tell whether it is; once it was not, it never is, for a later file may have the number of an older one."""
        self._gone = self._gone or self._now() != self._file
        return not self._gone

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it before and after what is done meanwhile; raises Gone."""
        self._check()
        yield
        self._check()

    def _check(self) -> None:
        if not self.stands():
            raise Gone(
                t("The review database {path} was removed or replaced", path=self._path),
                t("Load the page again; where no queue is left, a new run draws it"),
            )

    def _now(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except FileNotFoundError:
            found = None
        return (found.st_dev, found.st_ino) if found else None


def file_url(path: Path) -> str:
    """Return the address of a database that is a file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def stands(address: str) -> bool:
    """Tell whether there may be a database; that of a file is made when first written."""
    url = _parsed(address)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def open_engine(address: str) -> Engine:
    """Open the database and make the tables that it lacks. Raises UserError, which shows no password."""
    url = _parsed(address)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30})
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    else:
        engine = create_engine(url, hide_parameters=True, pool_size=20, pool_pre_ping=True)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":  # of several who come first, one makes the tables
                connection.execute(text("SELECT pg_advisory_xact_lock(7217)"))
            metadata.create_all(connection)
    except SQLAlchemyError as error:
        shown, why = url.render_as_string(), str(error.__cause__ or error).strip()
        if url.password:
            why = why.replace(str(url.password), "***")
        raise UserError(
            t("Cannot open the review database {url}: {error}", url=shown, error=why),
            t("It is WEITIAO_REVIEW_DB, else `review.database`: postgresql://NAME:PASSWORD@HOST/DATABASE"),
        ) from None
    return engine


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
        raise UserError(
            t("The address of the review database is not one of PostgreSQL"),
            t("It is WEITIAO_REVIEW_DB, else `review.database`: postgresql://NAME:PASSWORD@HOST/DATABASE"),
        )
    return url if url.get_backend_name() == "sqlite" else url.set(drivername="postgresql+psycopg")


def _set_up(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so
    for setting in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {setting}").close()


def _begin(connection: Connection) -> None:
    """Take the lock for writing at once where something will be written: taken later, two could wait for each other."""
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
