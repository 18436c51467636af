"""The tree of errors."""

import re

import pytest

from qaservice.domain import errors

DRAWN = re.compile(r"^([│├└─ ]*)([A-Z]\w+)", re.MULTILINE)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    parents: list[str] = []
    drawn = {}
    for indent, name in DRAWN.findall((errors.__doc__ or "").split("\n\n")[1]):
        depth = len(indent) // 4
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth else "Exception"
    actual = {name: kind.__base__.__name__ for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert drawn == actual


@pytest.mark.parametrize("refusal", [errors.KeyExists, errors.KeyNotFound, errors.InputNotValid])
def test_a_refusal_names_no_revision_unless_one_is_given(refusal: type[errors.Refused]) -> None:
    assert refusal().revision is None
