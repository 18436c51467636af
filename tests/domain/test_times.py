"""Moments as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaservice.domain.times import parse_time, time_text

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

ZONES = st.timedeltas(-timedelta(hours=14), timedelta(hours=14)).map(timezone)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31 12:00:00Z", NOON),
        ("2026-01-31T12:00:00.0Z", NOON),
        ("2026-01-31T12:00:00.000001Z", NOON + timedelta(microseconds=1)),
        ("2026-01-31T12:00:00.000001999Z", NOON + timedelta(microseconds=1)),
        ("2026-01-31T12:00:00.0000010000Z", NOON + timedelta(microseconds=1)),
        ("2026-01-31T12:00:00.999999" + "9" * 500 + "Z", NOON + timedelta(microseconds=999_999)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("1990-12-31T15:59:60-08:00", datetime(1991, 1, 1, tzinfo=UTC)),
        ("2016-12-31t23:59:60.25z", datetime(2017, 1, 1, microsecond=250_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-30T12:01:00-23:59", NOON),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_of_rfc_3339_is_a_moment_in_utc(text: str, moment: datetime) -> None:
    assert (parse_time(text), parse_time(text).tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "now",
            "0",
            "1769860800",
            "2026",
            "2026-01-31",
            "2026-01-31Z",
            "2026-01-31T12:00:00",
            "2026-W05-6T12:00:00Z",
        ],
        *["20260131T120000Z", "2026-01-31T12:00Z", "2026-01-31T12Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00,5Z"],
        *[
            "2026-01-31T12:00:00+01",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
        ],
        *["2026-01-31T12:00:00 01:00", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z"],
        *["2026-02-29T12:00:00Z", "2026-13-01T12:00:00Z", "2026-00-01T12:00:00Z", "0000-01-01T00:00:00Z"],
        *["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n"],
        *["٢٠٢٦-01-31T12:00:00Z", "9999-12-31T23:59:60Z", "-026-01-31T12:00:00Z", "2026-01-31T12:00:00ZZ"],
    ],
)
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES))
def test_a_moment_comes_back_from_its_text(moment: datetime) -> None:
    text = time_text(moment)
    assert (parse_time(text), len(text)) == (moment, len("2026-01-31T12:00:00.000000Z"))
