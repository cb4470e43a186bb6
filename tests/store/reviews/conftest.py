"""A database on SQLite and on PostgreSQL."""

import pytest
from databases import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'reviews.db'}"
    else:
        with postgres() as address:
            yield address
