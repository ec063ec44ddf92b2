"""The verb ``check``: the quality of the data, the audit chain, and who answers for what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.collect.quality import Quality, quality
from coterie.errors import IntegrityError
from coterie.govern.holders import unowned
from coterie.workspace.facts import PERSONAL, SHARED, attach
from coterie.workspace.results import write_whole

if TYPE_CHECKING:
    from coterie.workspace.keeping import Keeping


def check(shop: Keeping, report: str | Path | None = None) -> Quality:
    """Carry out :meth:`Workspace.check`."""
    attach(shop.warehouse, shop.inbox, shop.ledger, (*PERSONAL, *SHARED), None)
    found = quality(
        shop.warehouse,
        shop.inbox,
        shop.ledger,
        shop.vault,
        timezone=shop.config.timezone,
        busy=lambda: shop.ledger.held("writer"),
    )
    problems = list(found.problems)
    try:
        shop.gate.audit.verify()
    except IntegrityError as error:
        problems.append(error.message)
    existing = [*shop.ledger.tables(), *shop.lake.tables()]
    if shop.folder is not None:
        existing += [path.name for path in shop.folder.iterdir()]
    if strangers := unowned(existing, shop.holders()):
        problems.append(
            f"{', '.join(strangers)}: nobody in the shop owns this, so nobody answers for personal data in it."
        )
    found = replace(found, problems=tuple(problems))
    if report is not None:
        from coterie.report.checkup import render  # brings the templates, which a check in words does without

        write_whole(report, render(found, shop.config))
    return found
