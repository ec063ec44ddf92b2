"""When people buy, by the shop's clock."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER
from coterie.features.rule import In
from coterie.features.standard.line import line, share_of

# fmt: off
RHYTHM: tuple[Declared, ...] = (
    line("weekend_share", ORDER, share_of(In("weekday", (5, 6))), None, "Weekend share",
         "Share of orders on Saturday or Sunday, local time."),
    line("morning_share", ORDER, share_of(In("hour", (6, 7, 8, 9, 10, 11))), None, "Morning share",
         "Share of orders from 6 to 12 o'clock, local time."),
    line("afternoon_share", ORDER, share_of(In("hour", (12, 13, 14, 15, 16, 17))), None, "Afternoon share",
         "Share of orders from 12 to 18 o'clock, local time."),
    line("evening_share", ORDER, share_of(In("hour", (18, 19, 20, 21))), None, "Evening share",
         "Share of orders from 18 to 22 o'clock, local time."),
    line("night_share", ORDER, share_of(In("hour", (22, 23, 0, 1, 2, 3, 4, 5))), None, "Night share",
         "Share of orders from 22 to 6 o'clock, local time."),
    line("top_weekday", ORDER, "most_frequent", "weekday", "Favourite weekday",
         "The weekday with most orders, Monday 0 to Sunday 6; ties go to the earlier."),
    line("top_hour", ORDER, "most_frequent", "hour", "Favourite hour",
         "The hour of the day with most orders, 0 to 23, local time; ties go to the earlier."),
    line("weekday_entropy", ORDER, "entropy", "weekday", "Spread over the week",
         "Shannon entropy (nats) of weekdays over orders: 0 when all are on one weekday, 1.95 when evenly spread."),
)
