"""The verb ``features``: what is declared, for everybody and by the shop itself, and what the shop's data allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coterie.errors import EmptyShopError, GateRefusedError, ParameterError
from coterie.features.availability import available
from coterie.features.catalog import CATALOGS, OUTCOMES, Catalog
from coterie.features.combination import Combination, Declared
from coterie.features.definitions import FILE, Definitions, load
from coterie.features.feature import OWNERS, Feature
from coterie.features.outcome import Outcome
from coterie.features.standard import THEMES
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
    theme
        What it tells of, such as ``Basket``; empty for the shop's own, and where there are no themes.
    """

    feature: Declared
    own: bool
    missing: str | None
    theme: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the definition, what it says, and whether it can be built, as plain JSON values."""
        return {
            **self.feature.to_json(),
            "theme": self.theme,
            "own": self.own,
            "missing": self.missing,
            "per": self.feature.per,
            "window": window(self.feature),
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
        check_owner("features", per)
        own, standard = self.definitions, CATALOGS[per]
        if name is not None:
            outcomes = Catalog(outcome for outcome in own.outcomes if outcome.per == per)
            listed = Catalog([outcomes[name] if name in outcomes.names else self._named(name, per)])
        else:
            listed = Catalog((*standard, *own.of(per)))
        try:
            # to have the views made: which facts may be seen is the gate's answer
            facts(self.warehouse, self.inbox, self.ledger, self.gate, purpose_of(purpose))
            lacking = available(self.warehouse, listed)
        except (EmptyShopError, GateRefusedError) as error:
            lacking = dict.fromkeys(listed.names, error.message.rstrip("."))
        themes = {one.name: theme for theme, told in THEMES.items() for one in told} if per == "person" else {}
        entries = [
            Entry(one, one.name not in standard.names, lacking.get(one.name), themes.get(one.name, ""))
            for one in listed
        ]
        return [entry for entry in entries if entry.missing is not None] if missing else entries

    @cached_property
    def definitions(self) -> Definitions:
        """What the shop has declared itself, read when it is first needed, so that a mistake stops nothing else."""
        return Definitions() if self.folder is None else load(self.folder / FILE)

    def _chosen(self, features: Sequence[Declared | str] | None, per: str = "person") -> tuple[Declared, ...]:
        """Return definitions by name, of one owner, from the catalogue or the shop's own; None is all of them.

        The shop's file is not read while the catalogue has every name.
        """
        if features is None:
            return (*CATALOGS[per], *self.definitions.of(per))
        for each in (features,) if isinstance(features, str) else features:
            if isinstance(features, str) or not isinstance(each, str | Feature | Combination):
                shown = repr(each) if isinstance(each, str) else type(each).__name__
                raise ParameterError.of("features", "features", shown, "a list of names and definitions")
        return tuple(self._named(each, per) if isinstance(each, str) else each for each in features)

    def _own_outcome(self, name: str, per: str = "person") -> Outcome | None:
        """Return an outcome of the shop's own by name; None for a standard one, and where none is declared so."""
        if any(name.startswith(f"{make.__name__}_") for make in OUTCOMES):
            return None
        alike = [outcome for outcome in self.definitions.outcomes if outcome.name == name]
        return next((outcome for outcome in alike if outcome.per == per), alike[0] if alike else None)

    def _named(self, name: str, per: str) -> Declared:
        standard = CATALOGS[per]
        if name in standard.names:
            return standard[name]
        listed = Catalog((*standard, *self.definitions.of(per)))
        others = [
            each
            for each in sorted(OWNERS, key=lambda each: not (each.endswith(f"-{per}") or per.endswith(f"-{each}")))
            if name in CATALOGS[each].names or name in [own.name for own in self.definitions.of(each)]
        ]
        if name not in listed.names and others:
            raise ParameterError(
                f"There is no feature {name!r} of a {per}, but there is one of {_either(others)}.",
                hint=f"coterie features and build take --per {others[0]}, in Python per={others[0]!r}.",
            )
        return listed[name]


def check_owner(what: str, per: str) -> None:
    """Refuse what features are not about."""
    if per not in OWNERS:
        raise ParameterError.of(what, "per", per, f"one of {', '.join(OWNERS)}")


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
