"""Response to campaigns (letters, catalogues, contacts in a store) and coupons."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.standard.line import line, ratio, windows
from coterie.schema import Kind

_SENT, _COUPON = Kind.CAMPAIGN_SENT.value, Kind.COUPON_APPLIED.value

# fmt: off
_CAMPAIGNS = windows("campaigns", _SENT, "distinct", "campaign_id", "Campaigns",
                     "Number of different campaigns sent to the person", (None, 365))
_COUPONS = windows("coupons", _COUPON, "count", None, "Coupons", "Number of coupons redeemed", (None, 90, 365))
_ANSWERED = line("campaigns_redeemed", _COUPON, "distinct", "campaign_id", "Campaigns redeemed",
                 "Number of different campaigns of which a coupon was redeemed.")

CAMPAIGNS: tuple[Declared, ...] = (
    *_CAMPAIGNS,
    line("campaign_recency_days", _SENT, "days_since_last", None, "Days since last campaign",
         "Days from the latest campaign sent to the moment."),
    *_COUPONS,
    line("coupon_recency_days", _COUPON, "days_since_last", None, "Days since last coupon",
         "Days from the latest coupon redeemed to the moment."),
    _ANSWERED,
    ratio("campaign_response", _ANSWERED, _CAMPAIGNS[0], "Campaign response",
          "Campaigns of which a coupon was redeemed over campaigns sent, both ever; above 1 when coupons of campaigns "
          "were redeemed that were not sent to the person."),
    ratio("coupons_per_campaign", _COUPONS[0], _CAMPAIGNS[0], "Coupons of a campaign",
          "Coupons redeemed over different campaigns sent, both ever.", unit="number"),
)
