import time

import pytest

from qaservice.web.preferences import Preferences, parse_prefer


@pytest.mark.parametrize(
    ("header", "preferences"),
    [
        (None, Preferences()),
        ("wait=5", Preferences(wait=5)),
        ("Wait = 5", Preferences(wait=5)),
        ('wait="5"', Preferences(wait=5)),
        ("wait=0", Preferences(wait=0)),
        ("wait=61", Preferences(wait=60)),
        ("wait=" + "9" * 5000, Preferences(wait=60)),
        ("wait=" + "0" * 5000 + "7", Preferences(wait=7)),
        ("wait=-1", Preferences()),
        ("wait=1.5", Preferences()),
        ("wait=x, handling=lenient", Preferences(lenient=True)),
        ("handling=strict", Preferences()),
        ("respond-async, wait=3; x=y, handling=lenient", Preferences(wait=3, lenient=True)),
        ("wait=3, wait=4", Preferences(wait=3)),
        (",;=", Preferences()),
        ('x="a, wait=0, b", wait=3', Preferences(wait=3)),
        ('x=y; z="a, handling=lenient, b", wait=3', Preferences(wait=3)),
        ('x="a, wait=3', Preferences()),
        ('x="y", wait=3', Preferences(wait=3)),
    ],
)
def test_what_is_understood_counts_and_the_rest_is_ignored(header: str | None, preferences: Preferences) -> None:
    assert parse_prefer(header) == preferences


@pytest.mark.parametrize("text", ["a{}x", 'a={}"', "a=1{}x", "{}a;{}", 'a="{}', "a{}=1"])
def test_the_longest_header_is_understood_in_no_time(text: str) -> None:
    began = time.process_time()
    parse_prefer(text.replace("{}", " " * 60_000))
    assert time.process_time() - began < 1
