"""Where people buy: channels, as the mapping of each source names them, and stores."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER
from coterie.features.rule import Compare, Missing
from coterie.features.standard.line import line, share_of

NAMES = ("web", "store", "app", "phone")
"""The channels whose shares are told: names that ready mappings use, and that a shop's own should."""

# fmt: off
CHANNELS: tuple[Declared, ...] = (
    line("top_channel", ORDER, "most_frequent", "channel", "Favourite channel",
         "The channel with most orders; ties go to the first in the alphabet."),
    line("top_channel_share", ORDER, "top_share", "channel", "Share of favourite channel",
         "Share of orders in the favourite channel, of those whose channel is known."),
    line("first_channel", ORDER, "first", "channel", "First channel",
         "The channel of the first order whose channel is known."),
    line("last_channel", ORDER, "last", "channel", "Last channel",
         "The channel of the latest order whose channel is known."),
    line("channels", ORDER, "distinct", "channel", "Channels",
         "Number of different channels with an order: above 1 is an omnichannel customer."),
    line("channels_365d", ORDER, "distinct", "channel", "Channels, 1 year",
         "Number of different channels with an order in 365 days.", days=365),
    line("channel_entropy", ORDER, "entropy", "channel", "Mix of channels",
         "Shannon entropy (nats) of channels over orders: 0 when all are in one channel."),
    *(line(f"{name}_share", ORDER, share_of(Compare("channel", "=", name)), None, f"Share of {name}",
           f"Share of orders in the channel {name}, of those whose channel is known.", where=~Missing("channel"))
      for name in NAMES),
    line("places", ORDER, "distinct", "place", "Places", "Number of different stores or sites with an order."),
    line("top_place", ORDER, "most_frequent", "place", "Favourite place",
         "The store or site with most orders; ties go to the first in the alphabet."),
    line("top_place_share", ORDER, "top_share", "place", "Share of favourite place",
         "Share of orders at the favourite store or site, of those whose place is known."),
)
