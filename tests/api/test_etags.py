import pytest

from qaservice.domain.errors import InputNotValid
from qaservice.web.etags import parse_entity_tags


def tags(text: str):
    return parse_entity_tags("If-Match", text)


# RFC 9110 section 8.8.3.2, the comparison table: header, tag of the representation (always strong here), strong, weak.
@pytest.mark.parametrize(
    ("header", "tag", "strong", "weak"),
    [('W/"1"', "1", False, True), ('W/"1"', "2", False, False), ('"1"', "1", True, True), ('"1"', "2", False, False)],
)
def test_tags_compare_as_the_rfc_says(header: str, tag: str, strong: bool, weak: bool) -> None:
    assert (int(tag) in tags(header).revisions(), tags(header).weakly_match(tag)) == (strong, weak)


@pytest.mark.parametrize("header", ['"1","2"', '"1", W/"2"', ' "2" , "1" ', '"0",,"1"', ',"1"', '"1",', '"a,b", "1"'])
def test_a_list_matches_if_one_member_does(header: str) -> None:
    assert 1 in tags(header).revisions()
    assert tags(header).weakly_match("1")


def test_a_star_matches_whatever_there_is() -> None:
    assert tags("*").revisions() is None
    assert tags("*").weakly_match("1")


@pytest.mark.parametrize(
    "header", ["3", "abc", '"3', '3"', '"1" "2"', '"1",*', "*,*", "", ",", 'w/"1"', '"a b"', '"1";q=1']
)
def test_bad_syntax_is_never_no_condition(header: str) -> None:
    with pytest.raises(InputNotValid):
        tags(header)


@pytest.mark.parametrize(
    ("header", "revisions"),
    [
        ("*", None),
        ('"3"', {3}),
        ('"0", "12"', {0, 12}),
        ('W/"3"', set()),
        ('"03"', set()),
        ('"x"', set()),
        ('"-1"', set()),
        ('"' + "9" * 5000 + '"', set()),
    ],
)
def test_only_a_revision_as_we_write_it_is_expected(header: str, revisions: set[int] | None) -> None:
    assert tags(header).revisions() == revisions
