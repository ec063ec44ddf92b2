"""A shop that does not exist, with the marginal figures of shops that do: orders, clicks, e-mails, identifiers, dirt.

``parameters`` states every number and where it comes from; ``people``, ``purchases``, ``visits`` and ``letters`` draw;
``dirt`` spoils a stated share of the rows; ``files`` writes Parquet or CSV, the mapping, and the truth beside them.
People are drawn in blocks of a fixed size, each from its own seed, so people are the same in larger shops.

>>> import shop_generator as shops
>>> made = shops.generate(shops.ONLINE.sized(people=200), "/tmp/shop", seed=1)      # doctest: +SKIP
"""

from shop_generator.files import Made, generate
from shop_generator.parameters import GROCERY, ONLINE, REGIMES, Parameters

__all__ = ["GROCERY", "ONLINE", "REGIMES", "Made", "Parameters", "generate"]
