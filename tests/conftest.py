"""Fixtures every test may ask for: addresses of real, empty databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import (
    Postgres,
    ServiceMissingError,
    Valkey,
    running_postgres,
    running_valkey,
    without,
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Try a failed test again, and say so (RERUN): what fails three times is broken.

    Most of these tests share two cores with the processes and browsers they start. With
    ``--reruns 0`` none is tried again, to look at what fails.
    """
    if config.getoption("reruns") is not None:
        return
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """The session's Valkey."""
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey_url(valkey_server: Valkey) -> str:
    """The address of an empty Valkey, as YUNHAI_REDIS_URL has it."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture(scope="session")
def _postgres_or_why() -> Iterator[Postgres | ServiceMissingError]:
    if without("postgres"):
        yield ServiceMissingError("left out by YUNHAI_TEST_WITHOUT")
        return
    with ExitStack() as stack:
        try:
            found: Postgres | ServiceMissingError = stack.enter_context(running_postgres())
        except ServiceMissingError as missing:
            found = missing
        yield found


@pytest.fixture
def postgres_server(_postgres_or_why: Postgres | ServiceMissingError) -> Postgres:
    """The session's PostgreSQL; the test fails, saying what to install, when there is none."""
    if isinstance(_postgres_or_why, ServiceMissingError):
        if without("postgres"):
            pytest.skip(str(_postgres_or_why))
        pytest.fail(str(_postgres_or_why), pytrace=False)
    return _postgres_or_why


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """The address of an empty PostgreSQL database. Mark its tests ``postgres``."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'yunhai.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, once per kind; as YUNHAI_DATABASE_URL has it."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
