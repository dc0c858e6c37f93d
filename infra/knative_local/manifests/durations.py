"""ISO-8601 durations as Knative reads them."""

import re

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"^[+-]?P(?=.)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?$"
)
# Seconds in a year, month, week, day, hour, minute, second; the Gregorian averages for the
# first two, as rickb777/date has them.
_UNIT_SECONDS = (31_556_952, 2_629_746, 604_800, 86_400, 3_600, 60, 1)


def duration_ms(text: str) -> int:
    """Milliseconds of an ISO-8601 duration, read as rickb777/date v1.14 does in Knative.

    One decimal digit of each number counts and the rest is cut off (PT0.25S is 200 ms); a sign
    is dropped. Anything else raises ValueError.
    """
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not an ISO-8601 duration such as PT0.5S")
    tenths = (
        _tenths(number) * unit for number, unit in zip(found.groups(), _UNIT_SECONDS, strict=True)
    )
    return sum(tenths) * 100


def _tenths(number: str | None) -> int:
    whole, _, fraction = (number or "0").replace(",", ".").partition(".")
    return int(whole) * 10 + int(fraction[:1] or "0")
