"""The verb ``features``: what is declared, for everybody and by the shop itself, and what the shop's data allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coterie.errors import EmptyShopError, GateRefusedError, ParameterError
from coterie.features.availability import available
from coterie.features.catalog import CATALOGS, OUTCOMES, Catalog
from coterie.features.combination import Declared
from coterie.features.definitions import FILE, Definitions, load
from coterie.features.feature import OWNERS
from coterie.features.outcome import Outcome
from coterie.features.wording import definition, formula, window
from coterie.govern.consent import purpose_of
from coterie.schema import Purpose
from coterie.workspace.facts import facts
from coterie.workspace.recording import Recording


@dataclass(frozen=True)
class Entry:
    """A feature as the shop has it.

    Parameters
    ----------
    feature
        The definition.
    own
        Whether the shop has declared it, in ``features.toml``.
    missing
        What is missing to build it and what would bring it; None when it can be built.
    """

    feature: Declared
    own: bool
    missing: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the definition, what it says, and whether it can be built, as plain JSON values."""
        words = {"own": self.own, "missing": self.missing, "per": self.feature.per, "window": window(self.feature)}
        return {
            **self.feature.to_json(),
            **words,
            "formula": formula(self.feature),
            "definition": dict(definition(self.feature)),
            "fingerprint": self.feature.fingerprint,
        }


class Defining(Recording):
    """A shop that knows which features it has."""

    def features(
        self,
        name: str | None = None,
        *,
        per: str = "person",
        missing: bool = False,
        purpose: Purpose | str = Purpose.SEGMENTATION,
    ) -> list[Entry]:
        """List the features that there are: the catalogue's, then the shop's own, and which of them can be built.

        A shop declares its own in ``features.toml`` in its folder.

        Parameters
        ----------
        name
            Only this one, also an outcome of the shop's own; None lists all features.
        per
            Whom or what they are about: ``person``, ``product``, ``category``, ``person-category`` …
        missing
            Only those that cannot be built.
        purpose
            What they are wanted for; decides which sources count.

        Returns
        -------
        list
            One :class:`Entry` a feature, in the order of the catalogue.

        Raises
        ------
        ParameterError
            When there is no feature of that name, or nothing that features are about of that one.
        ConfigError
            When the shop's ``features.toml`` cannot be read.
        """
        if per not in OWNERS:
            raise ParameterError.of("features", "per", per, f"one of {', '.join(OWNERS)}")
        own, standard = self.definitions, CATALOGS[per]
        listed = Catalog((*standard, *own.of(per)))
        if name is not None:
            outcomes = Catalog(outcome for outcome in own.outcomes if outcome.per == per)
            listed = (outcomes if name in outcomes.names else listed).select([name])
        try:
            # to have the views made: which facts may be seen is the gate's answer
            facts(self.warehouse, self.inbox, self.ledger, self.gate, purpose_of(purpose))
            lacking = available(self.warehouse, listed)
        except (EmptyShopError, GateRefusedError) as error:
            lacking = dict.fromkeys(listed.names, error.message.rstrip("."))
        entries = [Entry(one, one.name not in standard.names, lacking.get(one.name)) for one in listed]
        return [entry for entry in entries if entry.missing is not None] if missing else entries

    @cached_property
    def definitions(self) -> Definitions:
        """What the shop has declared itself, read when it is first needed, so that a mistake stops nothing else."""
        return Definitions() if self.folder is None else load(self.folder / FILE)

    def _chosen(self, features: Sequence[Declared | str] | None) -> tuple[Declared, ...]:
        """Return definitions by name: of persons from the catalogue or the shop's own; None is all of them.

        The shop's file is not read while the catalogue has every name.
        """
        if features is None:
            return (*CATALOGS["person"], *self.definitions.of("person"))
        return tuple(self._named(each) if isinstance(each, str) else each for each in features)

    def _own_outcome(self, name: str) -> Outcome | None:
        """Return an outcome of the shop's own by name; None for a standard one, and where none is declared so."""
        if any(name.startswith(f"{make.__name__}_") for make in OUTCOMES):
            return None
        return next((outcome for outcome in self.definitions.outcomes if outcome.name == name), None)

    def _named(self, name: str) -> Declared:
        standard = CATALOGS["person"]
        if name in standard.names:
            return standard[name]
        return Catalog((*standard, *self.definitions.of("person")))[name]
