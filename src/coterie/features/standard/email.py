"""Engagement with e-mails. Rates are of campaigns, not of events: who opens one e-mail five times has opened one.

Opens are what the mailing service counted; mail programs that load pictures by themselves open everything.
"""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.standard.line import line, ratio, windows
from coterie.schema import Kind

_SENT, _OPEN, _CLICK = Kind.EMAIL_DELIVERED.value, Kind.EMAIL_OPENED.value, Kind.EMAIL_LINK_CLICKED.value

# fmt: off
_GOT = windows("email_campaigns", _SENT, "distinct", "campaign_id", "E-mail campaigns",
               "Number of different campaigns delivered by e-mail", (None, 90))
_OPENED = windows("email_campaigns_opened", _OPEN, "distinct", "campaign_id", "E-mail campaigns opened",
                  "Number of different campaigns opened", (None, 90))
_CLICKED = windows("email_campaigns_clicked", _CLICK, "distinct", "campaign_id", "E-mail campaigns clicked",
                   "Number of different campaigns with a link followed", (None, 90))

EMAIL: tuple[Declared, ...] = (
    *windows("emails", _SENT, "count", None, "E-mails", "Number of e-mails delivered", (None, 30, 90, 365)),
    *windows("email_opens", _OPEN, "count", None, "E-mails opened",
             "Number of times an e-mail was opened", (30, 90, 365)),
    *windows("email_clicks", _CLICK, "count", None, "E-mail clicks",
             "Number of links followed from e-mails", (30, 90, 365)),
    ratio("email_open_rate", _OPENED[0], _GOT[0], "Open rate",
          "Campaigns opened over campaigns delivered by e-mail, both ever."),
    ratio("email_open_rate_90d", _OPENED[1], _GOT[1], "Open rate, 90 days",
          "Campaigns opened over campaigns delivered by e-mail in 90 days; above 1 when older ones were opened."),
    ratio("email_click_rate", _CLICKED[0], _GOT[0], "Click rate",
          "Campaigns with a link followed over campaigns delivered by e-mail, both ever."),
    ratio("email_click_rate_90d", _CLICKED[1], _GOT[1], "Click rate, 90 days",
          "Campaigns with a link followed over campaigns delivered by e-mail in 90 days; above 1 when links of older "
          "ones were followed."),
    ratio("email_click_to_open", _CLICKED[0], _OPENED[0], "Clicks of opened",
          "Campaigns with a link followed over campaigns opened, both ever."),
    line("email_open_recency_days", _OPEN, "days_since_last", None, "Days since last open",
         "Days from the latest time that an e-mail was opened to the moment."),
    line("email_click_recency_days", _CLICK, "days_since_last", None, "Days since last click",
         "Days from the latest link followed from an e-mail to the moment."),
    *windows("email_bounces", Kind.EMAIL_BOUNCED.value, "count", None, "E-mails bounced",
             "Number of e-mails that could not be delivered", (365,)),
    *windows("unsubscribes", Kind.UNSUBSCRIBED.value, "count", None, "Unsubscribed",
             "Number of times that the person unsubscribed", (None,)),
    *windows("spam_complaints", Kind.EMAIL_MARKED_AS_SPAM.value, "count", None, "Marked as spam",
             "Number of e-mails marked as spam", (None,)),
)
