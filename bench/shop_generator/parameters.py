"""Every number of the generated shop, each with its source.

Sources: **P** published (with the reference), **M** measured on public data (``shop_generator.marginals`` compares),
**A** assumed: nothing public was found, and the figure is a round one.

CDNOW    Fader, Hardie & Lee 2005, "Counting your customers the easy way", Marketing Science 24(2), table 2 (BG/NBD);
         Fader, Hardie & Lee 2005, "RFM and CLV", Journal of Marketing Research 42(4) (Gamma-Gamma of the spend).
CJ       dunnhumby's Complete Journey, 2017, 2,469 households, 155,848 baskets, 1,469,307 lines.
UCI      Online Retail (UCI 352), 541,909 lines.  OSI  Online Shoppers Intention (UCI 468), 12,330 sessions.
YC       YooChoose clicks of the RecSys Challenge 2015, a sample of 17,794 sessions of two clicks or more.
MC       Mailchimp, e-mail marketing benchmarks as of October 2019, row "all non-labeled accounts".
BAY      Baymard Institute, mean of the published cart abandonment rates, 70.19 %.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import exp, floor


@dataclass(frozen=True)
class Parameters:
    """What the shop is like. Rates are per person or per row as their names say; times are local to ``timezone``."""

    # -- the shop --------------------------------------------------------------------------------------------
    regime: str = "online"
    people: int = 10_000
    start: datetime = datetime(2023, 1, 1)  # local midnight of the first day
    weeks: int = 104
    timezone: str = "America/New_York"
    currency: str = "USD"
    block: int = 5_000  # people drawn at once; part of the definition: another size is another shop

    # -- orders: BG/NBD --------------------------------------------------------------------------------------
    rate_shape: float = 0.243  # P CDNOW r
    rate_scale: float = 4.414  # P CDNOW alpha, weeks
    dropout_a: float = 0.793  # P CDNOW a
    dropout_b: float = 2.426  # P CDNOW b
    newcomers: float = 1.0  # share that first buys within the period (uniform); the others were customers before it

    # -- spend -----------------------------------------------------------------------------------------------
    gamma_gamma: tuple[float, float, float] | None = (
        6.25,
        3.74,
        15.44,
    )  # P CDNOW p, q, v in currency; None: prices rule
    price_level: float = 0.15  # A sd of a person's log price level

    # -- baskets: lines of an order = 1 + floor(lognormal) ---------------------------------------------------
    lines: float = 2.4  # M CDNOW mean number of CDs an order (69,659 orders); ``sized`` changes it
    lines_log_sd: float = 1.2  # M CJ sd of log lines 1.17, tail of quantiles 10-99 %
    lines_log_sd_person: float = 0.57  # M CJ sd over households of the mean log lines
    quantity_more: float = 0.21  # M CJ share of lines with more than one piece
    quantity_next: float = 0.30  # M CJ geometric tail of the pieces: 14.4, 2.6, 1.5 % have 2, 3, 4

    refunded: float = 0.0196  # M UCI lines that take something back
    refund_days: float = 10.0  # A after the order, exponential

    # -- products and tastes ---------------------------------------------------------------------------------
    products: int = 5_000  # A
    popularity: float = 0.62  # M CJ Zipf exponent of the product's rank ...
    popularity_cut: float = 0.23  # M CJ ... times exp(-rank / (cut x products))
    departments: tuple[tuple[str, float, float, float], ...] = (  # name, share of lines, median price, sd of log price
        ("Women", 0.20, 24.0, 0.70),  # A all of this table
        ("Men", 0.13, 27.0, 0.70),
        ("Children", 0.08, 16.0, 0.60),
        ("Shoes", 0.11, 48.0, 0.55),
        ("Beauty", 0.12, 13.0, 0.70),
        ("Home", 0.12, 22.0, 0.85),
        ("Kitchen", 0.07, 19.0, 0.80),
        ("Electronics", 0.06, 59.0, 1.00),
        ("Books", 0.06, 12.0, 0.50),
        ("Toys", 0.05, 18.0, 0.65),
    )
    taste: float = 4.0  # A precision of the Dirichlet of a person's departments (CJ: 23.4); small: people differ much
    loyalty: float = 0.15  # A probability that a line is one of the person's favourites
    favourites: int = 8  # A mean number of favourites in use (geometric)
    discounted: float = 0.30  # A share of lines with a discount
    discounted_sd: float = 0.10  # M CJ sd over households of that share
    discount_depth: tuple[float, float] = (2.12, 6.00)  # M CJ Beta of the depth: mean .261, variance .0211

    # -- rhythm, shares of orders in shop time ---------------------------------------------------------------
    months: tuple[float, ...] = (0.92, 0.90, 0.96, 0.95, 0.98, 0.95, 0.96, 0.97, 0.98, 1.02, 1.21, 1.20)  # A
    weekdays: tuple[float, ...] = (0.150, 0.147, 0.144, 0.142, 0.137, 0.133, 0.147)  # A Monday first
    hours: tuple[float, ...] = (  # A two humps, noon and evening
        0.018, 0.010, 0.006, 0.004, 0.004, 0.006, 0.013, 0.025, 0.040, 0.052, 0.059, 0.061,
        0.062, 0.060, 0.058, 0.056, 0.056, 0.056, 0.058, 0.064, 0.070, 0.071, 0.056, 0.035,
    )  # fmt: skip

    # -- visits ----------------------------------------------------------------------------------------------
    online: float = 1.0  # share of orders placed on the web; the others are in store and leave no clicks
    conversion: float = 0.1547  # M OSI sessions with an order (whole YooChoose: .055; Retailrocket: .008 per view)
    abandonment: float = 0.7019  # P BAY carts without an order
    views: tuple[float, float] = (0.26, 1.12)  # M YC views = 2 + floor(lognormal(mu, sd)): mean 3.9, median 3
    view_gap: tuple[float, float] = (55.8, 1.22)  # M YC seconds between clicks, median and sd of log
    lead_days: float = 14.0  # A a browsing session lies this many days before its order, exponential
    login: float = 0.25  # A share of browsing sessions with a login (every ordering session of a known person has one)
    login_at_start: float = 0.5  # A share of sessions with a login that begin logged in

    # -- e-mails ---------------------------------------------------------------------------------------------
    campaign_days: int = 28  # A one newsletter in four weeks
    opted_in: float = 0.80  # A
    bounced: float = 0.0101  # P MC hard + soft bounces
    opened: float = 0.2271  # P MC
    opened_precision: float = 2.0  # A Beta over people
    clicked: float = 0.0291  # P MC clicks per delivery
    unsubscribed: float = 0.0025  # P MC per delivery

    # -- identifiers -----------------------------------------------------------------------------------------
    devices: tuple[float, ...] = (0.45, 0.35, 0.20)  # A one, two, three devices
    device_use: tuple[float, ...] = (0.60, 0.30, 0.10)  # A shares of a person's visits by device
    guests: float = 0.10  # A orders with an e-mail address only
    shared: float = 0.005  # A people who also use the first device of the person beside them

    # -- dirt, shares of rows --------------------------------------------------------------------------------
    missing: float = 0.02  # A orders that name nobody (M UCI: .249 of lines)
    duplicates: float = 0.0097  # M UCI lines that are there twice
    bad_amount: float = 0.0046  # M UCI lines with a price that is none
    bad_time: float = 0.0005  # A
    late: float = 0.03  # A lines that reach the shop's system later than they happened ...
    late_hours: tuple[float, float] = (20.0, 1.0)  # A ... by so much: median and sd of log
    untidy: float = 0.05  # A e-mail addresses with capitals or blanks

    def __post_init__(self) -> None:
        """Refuse shops that cannot be drawn."""
        if self.regime not in ("online", "grocery"):
            raise ValueError(f"regime must be online or grocery, got {self.regime!r}")
        for name in ("people", "weeks", "products", "block"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 1.0 <= self.lines <= 100.0:
            raise ValueError(
                f"the mean lines of an order would be {self.lines:.2f}, allowed are 1 to 100: "
                f"this regime gives {self.orders_each:.2f} orders a person; change people or lines"
            )

    @property
    def orders_each(self) -> float:
        """Return the orders that a person is expected to make in the period (by a fixed draw of 200,000 people)."""
        from shop_generator.purchases import expected_orders

        return expected_orders(self)

    @property
    def lines_log_mean(self) -> float:
        """Return the mean of the logarithm that gives ``lines`` lines an order on average."""
        from shop_generator.purchases import log_mean_for

        return log_mean_for(self.lines - 1.0, self.lines_log_sd)

    def sized(self, *, people: int | None = None, lines: int | None = None) -> Parameters:
        """Return the shop with so many people, so many order lines (as expected values), or both.

        With one of the two, the other follows from the regime. With both, the mean number of lines an order is set; the
        orders themselves stay those of the regime.
        """
        if people is not None and lines is not None:
            return replace(self, people=people, lines=max(lines / (people * self.orders_each), 0.0))
        if lines is not None:
            return replace(self, people=max(1, floor(lines / (self.orders_each * self.lines) + 0.5)))
        return replace(self, people=people) if people is not None else self

    def clean(self) -> Parameters:
        """Return the shop without dirt and without guests: every row is good and names its customer."""
        return replace(self, missing=0, duplicates=0, bad_amount=0, bad_time=0, late=0, untidy=0, guests=0, shared=0)

    def to_json(self) -> dict[str, object]:
        """Return all parameters, for the record beside the files."""
        return {**asdict(self), "start": self.start.isoformat()}


ONLINE = Parameters()

_GROCERY_HOURS = (
    0.0073, 0.0036, 0.0045, 0.0017, 0.0013, 0.0023, 0.0069, 0.0142, 0.0211, 0.0299, 0.0445, 0.0596,
    0.0674, 0.0682, 0.0710, 0.0770, 0.0897, 0.0999, 0.0936, 0.0794, 0.0645, 0.0482, 0.0296, 0.0146,
)  # fmt: skip

# A supermarket with the marginals of Complete Journey (M CJ throughout; measured over the whole of 2017).
GROCERY = Parameters(
    regime="grocery",
    people=2_469,
    start=datetime(2017, 1, 1),
    weeks=52,
    block=1_000,
    rate_shape=1.065,  # BG/NBD by maximum likelihood on all baskets since week 0, households with none truncated
    rate_scale=0.882,
    dropout_a=0.592,
    dropout_b=997.0,
    newcomers=0.0,
    gamma_gamma=None,
    price_level=0.05,
    lines=9.43,
    products=68_509,
    departments=(  # shares and prices M CJ (mean log price paid a piece, weighted by lines), full price = paid / .87
        ("Grocery", 0.6323, exp(0.485) / 0.87, 0.60),
        ("Drug & General", 0.1063, exp(0.707) / 0.87, 0.75),
        ("Produce", 0.1005, exp(0.449) / 0.87, 0.55),
        ("Meat, packaged", 0.0429, exp(0.957) / 0.87, 0.52),
        ("Meat", 0.0339, exp(1.402) / 0.87, 0.55),
        ("Deli", 0.0241, exp(1.248) / 0.87, 0.52),
        ("Pastry", 0.0148, exp(0.698) / 0.87, 0.65),
        ("Nutrition", 0.0127, exp(0.760) / 0.87, 0.52),
        ("Fuel", 0.0088, 24.04 / 0.87, 0.40),
        ("Seafood", 0.0060, exp(1.355) / 0.87, 0.58),
        ("Salad bar", 0.0038, exp(0.874) / 0.87, 0.70),
        ("Other", 0.0139, exp(1.100) / 0.87, 0.80),
    ),
    taste=23.4,  # moments of the shares over households with 50 lines or more, sampling noise taken off
    loyalty=0.54,  # A together with the next: so that repeats of a product within a household come near CJ's .295
    favourites=50,
    discounted=0.501,
    months=(0.968, 0.987, 0.978, 0.993, 1.035, 1.015, 1.040, 1.013, 0.987, 1.001, 0.994, 0.989),
    weekdays=(0.1407, 0.1340, 0.1318, 0.1335, 0.1382, 0.1585, 0.1632),
    hours=_GROCERY_HOURS,
    online=0.10,  # A Complete Journey has store baskets only; some web orders make the clicks of this regime
)

REGIMES = {"online": ONLINE, "grocery": GROCERY}
