"""Numbers as people read them: every figure with its unit, written in one way everywhere."""

from __future__ import annotations

import math

from coterie.config import minor_units

MISSING = "–"
_THIN = "\u202f"  # narrow no-break space: between a number and what scales it
_NO_BREAK = "\u00a0"
_MINUS = "\u2212"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "AUD": "A$", "CAD": "C$"}
_SCALES = ((1e9, "bn"), (1e6, "M"), (1e3, "k"))


def count(number: float) -> str:
    """Write how many there are; means and medians keep one decimal below 100.

    >>> count(24460), count(2.5), count(14.0)
    ('24,460', '2.5', '14')
    """
    if not math.isfinite(number):
        return MISSING
    rounded = round(number, 1) if abs(number) < 100 else round(number)
    return _signed(f"{abs(rounded):,.1f}".removesuffix(".0"), rounded)


def share(part: float) -> str:
    """Write a share in [0, 1] as a percentage, to the decimal that matters.

    >>> share(0.4135), share(0.0048), share(0.0), share(0.00001)
    ('41%', '0.5%', '0%', '<0.1%')
    """
    if not math.isfinite(part):
        return MISSING
    percent = abs(part) * 100
    if 0 < percent < 0.1:
        return "<0.1%"
    exact = percent < 2 or 98 < percent < 100
    return _signed(f"{percent:.1f}".removesuffix(".0") + "%" if exact else f"{percent:.0f}%", part)


def money(minor: float, currency: str, *, compact: bool = False) -> str:
    r"""Write an amount given in minor units of an ISO 4217 currency.

    Parameters
    ----------
    minor
        The amount in minor units (cents).
    currency
        ISO 4217 code; its symbol is used where it is plain, else the code.
    compact
        Whether to shorten thousands and more to three digits.

    >>> money(123456, "USD"), money(1240, "GBP"), money(-500, "JPY")
    ('$1,235', '£12.40', '−¥500')
    >>> money(140573312, "EUR", compact=True).replace("\u202f", " ")
    '€1.41 M'
    """
    if not math.isfinite(minor):
        return MISSING
    places = minor_units(currency)
    amount = abs(minor) / 10**places
    body = f"{amount:,.{places}f}" if 0 < amount < 100 else f"{amount:,.0f}"
    if compact:
        for scale, letter in _SCALES:
            if amount >= 0.9995 * scale:
                scaled = amount / scale
                body = f"{scaled:,.{max(0, 2 - math.floor(math.log10(max(scaled, 1))))}f}"
                body = (body.rstrip("0").rstrip(".") if "." in body else body) + _THIN + letter
                break
    symbol = _SYMBOLS.get(currency, currency + _NO_BREAK)
    return (_MINUS if minor < 0 else "") + symbol + body


def days(number: float) -> str:
    r"""Write a length of time in days.

    >>> days(1).replace("\xa0", " "), days(12.34).replace("\xa0", " ")
    ('1 day', '12 days')
    """
    if not math.isfinite(number):
        return MISSING
    body = f"{abs(number):.1f}".removesuffix(".0") if abs(number) < 10 else f"{abs(number):,.0f}"
    return _signed(body, number) + _NO_BREAK + ("day" if body == "1" else "days")


def ratio(number: float, *, places: int = 2) -> str:
    """Write a plain figure such as R² or AUC without the leading zero that takes room.

    >>> ratio(0.6134), ratio(1.0), ratio(-0.02)
    ('.61', '1.00', '−.02')
    """
    if not math.isfinite(number):
        return MISSING
    body = f"{abs(number):.{places}f}"
    return _signed(body.removeprefix("0") if body.startswith("0.") else body, round(number, places))


def signed(number: float, *, places: int = 3) -> str:
    """Write a difference of plain figures such as R² or AUC, always with its sign.

    >>> signed(0.0213), signed(-0.004), signed(0.0)
    ('+.021', '−.004', '+.000')
    """
    words = ratio(number, places=places)
    return words if words.startswith((_MINUS, MISSING)) else f"+{words}"


def quantity(number: float, unit: str, currency: str) -> str:
    """Write a figure of one of the units money (minor units), share, days, count, number.

    >>> quantity(4564, "money", "USD"), quantity(0.14, "share", "USD"), quantity(14, "count", "USD")
    ('$45.64', '14%', '14')
    """
    if unit == "money":
        return money(number, currency, compact=abs(number) >= 10 ** (minor_units(currency) + 4))
    if unit == "share":
        return share(number)
    if unit == "days":
        return days(number)
    if unit == "number" and math.isfinite(number) and 0 < abs(number) < 10:
        return _signed(f"{abs(number):.2g}", number)
    return count(number)


def deviations(effect: float) -> str:
    r"""Write an effect in standard deviations, always with its sign.

    >>> deviations(1.26).replace("\xa0", " "), deviations(-0.5).replace("\xa0", " ")
    ('+1.3 SD', '−0.5 SD')
    """
    if not math.isfinite(effect):
        return MISSING
    return ("+" if effect >= 0 else _MINUS) + f"{abs(effect):.1f}" + _NO_BREAK + "SD"


def _signed(body: str, number: float) -> str:
    """Put a real minus sign before what is below zero and does not read as zero."""
    return _MINUS + body if number < 0 and any(digit in body for digit in "123456789") else body
