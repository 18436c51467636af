"""Pages of a list, over every read model."""

import random
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from qaservice.domain.listing import KeyRange
from qaservice.domain.readmodel import Checkpoint, Document
from services.projection.ports import Answers
from services.projector.ports import ReadModel

pytestmark = pytest.mark.anyio

Model = tuple[ReadModel, Answers]

COMPLETE = Checkpoint(UUID(int=1), build=1, position=9)
ALPHABETS = ("abz~", "äéß", "\ud7ff\ue000\uffff", "\U00010000\U0001f600\U0010ffff")


async def holding(read_model: Model, *documents: Document) -> Answers:
    model, answers = read_model
    assert await model.begin(COMPLETE)
    for first in range(0, len(documents), 250):  # a server on a busy machine has its time limit for each
        assert await model.apply(documents[first : first + 250], COMPLETE)
    return answers


def document(key: str, value: str | None = "v") -> Document:
    return Document(key, value, 0, 0)


async def paged(answers: Answers, prefix: str, limit: int) -> list[Sequence[str]]:
    """The keys of every page, each asked for behind the last key of the one before."""
    pages: list[Sequence[str]] = []
    after = None
    while True:
        page = await answers.page(KeyRange.of(prefix, after), limit)
        pages.append([key for key, _ in page.answers])
        if not page.more:
            return pages
        after = pages[-1][-1]


async def test_before_the_first_build_there_is_no_list(read_model: Model) -> None:
    assert (await read_model[1].page(KeyRange.of("", None), 10)).checkpoint is None


async def test_a_list_comes_with_the_checkpoint_also_where_it_is_empty(read_model: Model) -> None:
    answers = await holding(read_model, document("a"))
    for prefix, keys in (("", ["a"]), ("b", [])):
        page = await answers.page(KeyRange.of(prefix, None), 10)
        assert (page.checkpoint, page.more, [key for key, _ in page.answers]) == (COMPLETE, False, keys)


async def test_keys_of_any_characters_page_through_completely_in_the_order_of_bytes(read_model: Model) -> None:
    keys = {"".join(random.choices(random.choice(ALPHABETS), k=random.randint(1, 6))) + str(n) for n in range(2_500)}
    answers = await holding(read_model, *(document(key) for key in keys))
    pages = await paged(answers, "", 100)
    assert [key for page in pages for key in page] == sorted(keys, key=str.encode)
    assert {len(page) for page in pages[:-1]} == {100}


async def test_a_prefix_is_a_beginning_and_nothing_else(read_model: Model) -> None:
    answers = await holding(read_model, *map(document, ("A", "a", "a%", "a_b", "ab", "a\U0010ffff!", "b", "ä")))
    assert await paged(answers, "a", 2) == [["a", "a%"], ["a_b", "ab"], ["a\U0010ffff!"]]
    assert await paged(answers, "a\U0010ffff", 2) == [["a\U0010ffff!"]]
    assert await paged(answers, "a_", 2) == [["a_b"]]


async def test_the_last_page_may_be_full(read_model: Model) -> None:
    answers = await holding(read_model, *map(document, "abcd"))
    assert await paged(answers, "", 2) == [["a", "b"], ["c", "d"]]


async def test_deleted_answers_are_left_out_and_do_not_end_a_page(read_model: Model) -> None:
    answers = await holding(read_model, document("a"), document("b", None), document("c", None), document("d"))
    assert await paged(answers, "", 2) == [["a", "d"]]


async def test_a_page_of_large_values_is_shorter_and_the_next_one_goes_on(read_model: Model) -> None:
    answers = await holding(read_model, *(document(key, "v" * 300_000) for key in "abcdefgh"))
    pages = await paged(answers, "", 100)
    assert [key for page in pages for key in page] == list("abcdefgh")
    assert max(map(len, pages)) <= 4


async def test_a_value_may_fill_a_page_alone(read_model: Model) -> None:
    answers = await holding(read_model, *(document(key, "v" * 1_100_000) for key in "abc"))
    assert await paged(answers, "", 100) == [["a"], ["b"], ["c"]]


async def test_what_an_overtaken_projector_writes_late_is_not_listed(read_model: Model) -> None:
    model, answers = read_model
    await holding(read_model, document("old"))
    second = replace(COMPLETE, build=2, target=9)
    assert await model.begin(second)
    assert await model.apply([document("new")], replace(second, target=None))
    assert await paged(answers, "", 10) == [["new"]]
