"""The tables. A change here goes with a migration in ``migrations/versions``.

Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("names", JSON, nullable=False),
    Column("city", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # How many messages the room has had: the next one's number is one more.
    Column("message_count", BigInteger, nullable=False, server_default="0"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("room", Text, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("identity", Text, nullable=False),
    Column("command_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_ms", BigInteger, nullable=False),
    UniqueConstraint("room", "number"),
    UniqueConstraint("room", "identity", "command_id"),
)

bans = Table(
    "bans",
    metadata,
    Column("room", Text, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("identity", Text, primary_key=True),
    Column("removed_by", Text, nullable=False),
    Column("removed_ms", BigInteger, nullable=False),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("room", Text, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    # Unknown while it runs, and after a crash until its node is back.
    Column("ended_ms", BigInteger, nullable=True),
    Column("reason", Text, nullable=False),
    Column("files", JSON, nullable=False),
    # From then on nobody sees it; the row goes when its node has deleted the files.
    Column("deleted_ms", BigInteger, nullable=True),
)
