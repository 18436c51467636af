"""How a command ends that is no service."""

import pytest

from services.exits import one_line_for


@pytest.mark.parametrize(("error", "line"), [(ValueError("why"), "why"), (ValueError(), "ValueError")])
def test_trouble_is_one_line_even_where_it_has_no_text(
    capfd: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    with pytest.raises(SystemExit) as ended, one_line_for(ValueError):
        raise error

    assert ended.value.code == 2
    assert capfd.readouterr().err == f"qaservice: {line}\n"
