"""What the columns of a file look like: how full they are, and what their values can be read as.

A look at a sample, for people and for :mod:`coterie.collect.proposal`; nothing is decided here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

FORMATS = (
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%y %H:%M", "%m/%d/%y %H:%M",
    "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%y",
    "%d-%m-%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M", "%d-%m-%Y", "%m-%d-%Y",
    "%Y%m%d", "%Y%m%d%H%M%S", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
"""Ways to write a time, besides ISO 8601 and counts of seconds, that are tried."""

LIKELY = 0.95  # the share of values that must agree with a reading
_ISO = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"'?(\+|00)[\d ()./-]{7,20}|\(?0\d{1,4}\)?[ /-][\d ()./-]{5,16}")
_POINT = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_LETTERED = re.compile(r"([A-Z]{1,3})\d+")
_SINCE = re.compile(r"\d{9,}(\.\d+)?")
_CODES = """
    AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW KWD MXN MYR NOK NZD PHP PLN RON
    RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR
"""
_CURRENCIES = frozenset(_CODES.split())
_NOTHING = frozenset(("", "null", "none", "nan", "n/a", "na", "\\n"))
_SECONDS = (datetime(1995, 1, 1).timestamp(), datetime(2060, 1, 1).timestamp())
_SCALES = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000}


@dataclass(frozen=True)
class Column:
    """What a sample of one column's values looks like.

    Parameters
    ----------
    name
        As in the file; a dotted path inside nested records.
    rows, filled, distinct
        How many values were looked at, how many of them say something, how many different ones there are.
    examples
        The most frequent values.
    email, phone, point, comma, whole, negative, currency
        Shares of the filled values, in [0, 1], that can be read as an e-mail address, a telephone number, a number
        with a decimal point or a decimal comma, a whole number, a number below 0, an ISO 4217 code.
    times
        Every way to read nearly all filled values as times: ``iso``, ``unix``, ``unix_ms``, ``unix_us`` or
        directives of strptime; more than one means that the values alone cannot tell.
    words
        The different values, the most frequent first, where there are at most 200 of them.
    prefixes
        Capital letters that stand before the number in some values, where most values are numbers alone.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    examples: tuple[str, ...]
    email: float = 0.0
    phone: float = 0.0
    point: float = 0.0
    comma: float = 0.0
    whole: float = 0.0
    negative: float = 0.0
    currency: float = 0.0
    times: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, values: Sequence[str | None]) -> Column:
        """Look at a sample of values.

        >>> column = Column.of("paid", ["03/04/2024", "05/04/2024", "", "07/12/2024"])
        >>> column.filled, column.times
        (3, ('%d/%m/%Y', '%m/%d/%Y'))
        """
        texts = [text for value in values if value is not None and (text := value.strip()).lower() not in _NOTHING]
        counted = Counter(texts)
        if not texts:
            return cls(name, len(values), 0, 0, ())

        def share(pattern: re.Pattern[str]) -> float:
            return sum(n for text, n in counted.items() if pattern.fullmatch(text)) / len(texts)

        point, comma = share(_POINT), share(_COMMA)
        return cls(
            name,
            rows=len(values),
            filled=len(texts),
            distinct=len(counted),
            examples=tuple(text for text, _ in counted.most_common(3)),
            email=share(_EMAIL),
            phone=share(_PHONE),
            point=point,
            comma=comma,
            whole=share(_WHOLE),
            negative=sum(n for text, n in counted.items() if text.startswith("-") and text[1:2].isdigit()) / len(texts),
            currency=sum(n for text, n in counted.items() if text.upper() in _CURRENCIES) / len(texts),
            times=_times(counted),
            words=tuple(text for text, _ in counted.most_common()) if len(counted) <= 200 else (),
            prefixes=_prefixes(counted),
        )

    @property
    def number(self) -> bool:
        """Whether nearly all values are numbers, however their decimals are marked."""
        return max(self.point, self.comma) >= LIKELY

    @property
    def unique(self) -> bool:
        """Whether no value comes twice and every row has one."""
        return self.rows > 1 and self.distinct == self.rows

    @property
    def fullness(self) -> float:
        """The share of rows that say something, in [0, 1]."""
        return self.filled / self.rows if self.rows else 0.0

    def described(self) -> str:
        """Return the facts in words, without any value.

        >>> Column.of("id", ["1", "2", None]).described()
        '67 % filled, 2 different values in 3 rows, whole numbers'
        """
        parts = [
            f"{self.fullness:.0%} filled".replace("%", " %"),
            f"{self.distinct:,} different values in {self.rows:,} rows",
        ]
        if self.email >= LIKELY:
            parts.append("e-mail addresses")
        elif self.times:
            parts.append("times")
        elif self.whole >= LIKELY:
            parts.append("whole numbers")
        elif self.number:
            parts.append("numbers")
        return ", ".join(parts)


def _prefixes(counted: Counter[str]) -> tuple[str, ...]:
    """Return the letters before the numbers, the most frequent first; none where they are the rule."""
    found: Counter[str] = Counter()
    for text, number in counted.items():
        if hit := _LETTERED.fullmatch(text):
            found[hit[1]] += number
    alone = sum(number for text, number in counted.items() if _WHOLE.fullmatch(text))
    return tuple(letters for letters, _ in found.most_common()) if alone > counted.total() / 2 else ()


def _times(counted: Counter[str]) -> tuple[str, ...]:
    """Return the ways in which nearly all of the values are times."""
    texts = list(counted)
    total = counted.total()

    def holds(reads: list[bool]) -> bool:
        return sum(counted[text] for text, good in zip(texts, reads, strict=True) if good) >= LIKELY * total

    if holds([bool(_ISO.fullmatch(text)) for text in texts]):
        return ("iso",)
    if holds([bool(_SINCE.fullmatch(text)) for text in texts]):
        low, high = _SECONDS
        numbers = [float(text) if _SINCE.fullmatch(text) else 0.0 for text in texts]
        found = [name for name, scale in _SCALES.items() if holds([low * scale <= n <= high * scale for n in numbers])]
        if found:
            return tuple(found)
    sample = texts[:2_000]
    return tuple(form for form in FORMATS if sum(_reads(text, form) for text in sample) >= LIKELY * len(sample))


def _reads(text: str, form: str) -> bool:
    try:
        found = datetime.strptime(text, form)
    except ValueError:
        return False
    return 1990 <= found.year <= 2060
