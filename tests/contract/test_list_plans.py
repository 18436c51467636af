"""Which index serves a list."""

from pathlib import Path

import pytest
from pymongo import MongoClient

from qaservice.domain.listing import KeyRange
from qaservice.stores.mongodb.answers import MongoAnswers
from qaservice.stores.sqlite.answers import _LIST, _LIST_TO_THE_END
from qaservice.stores.sqlite.read_model import SqliteReadModel
from tests.contract.mongodb_wired import AT_END, DOCUMENTS, SECOND, wired
from tests.standins.mongodb import VARIABLE

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sql", [_LIST, _LIST_TO_THE_END])
async def test_the_index_of_keys_serves_a_list_in_sqlite(tmp_path: Path, sql: str) -> None:
    model = SqliteReadModel(tmp_path / "answers.sqlite", timeout=5)
    question = f"EXPLAIN QUERY PLAN {sql}", {"first": "a", "beyond": "b", "limit": 9}
    rows = await model._written(lambda connection: connection.execute(*question).fetchall())
    await model.close()
    plan = "\n".join(row[3] for row in rows)
    assert "SEARCH answers USING PRIMARY KEY (key>" in plan
    assert "TEMP B-TREE" not in plan


async def test_the_index_of_ids_serves_a_list_in_mongodb(mongodb_uri: str, mongodb_database: str) -> None:
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        if "secantusVersion" in client.server_info():
            pytest.skip(f"only mongod tells its plans: name one in {VARIABLE}, or start a Docker engine")
    async with wired(mongodb_uri, mongodb_database) as mongo:
        await mongo.model.begin(SECOND)
        await mongo.model.apply(DOCUMENTS, AT_END)
        reader = MongoAnswers(mongo.proxy.uri, mongodb_database, 5.0)
        await reader.page(KeyRange.of("a", None), 9)
        await reader.close()
        [listed] = [command for command in mongo.proxy.commands if "sort" in command]
        find = {name: listed[name] for name in ("find", "filter", "projection", "sort", "limit", "hint")}
        with MongoClient[dict[str, object]](mongodb_uri) as client:
            plan = str(client[mongodb_database].command({"explain": find, "verbosity": "queryPlanner"}))
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan
    assert "'SORT'" not in plan
