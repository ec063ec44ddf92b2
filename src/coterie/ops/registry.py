"""The registry of models: which model was trained when, on what, and where its file lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.errors import ParameterError
from coterie.schema import TIME, Table, utc_now
from coterie.store.ports import Archive, Ledger

MODELS = Table(
    name="models",
    schema=pa.schema(
        [
            ("model_id", pa.string()),
            ("name", pa.string()),
            ("kind", pa.string()),
            ("digest", pa.string()),
            ("inputs", pa.string()),
            ("as_of", TIME),
            ("trained_at", TIME),
            ("figures", pa.string()),
        ]
    ),
    key=("trained_at", "model_id"),
    meaning="Trained models: kind, file, what they were trained on, figures. Nothing personal.",
)


@dataclass(frozen=True)
class Model:
    """One registered model.

    Parameters
    ----------
    model_id
        ``<name>-<first 12 digits of the file's SHA-256>``.
    name
        What it is for, for example ``segments``; a name has many versions.
    kind
        Which class reads it, for example ``KMeansSegments``.
    digest
        SHA-256 of its file in the archive.
    inputs
        Fingerprint of all that went into training; equal inputs give an equal model.
    as_of
        The moment whose past it was trained on, naive UTC.
    trained_at
        Naive UTC.
    figures
        What was measured on it, JSON values.
    """

    model_id: str
    name: str
    kind: str
    digest: str
    inputs: str
    as_of: datetime
    trained_at: datetime
    figures: Mapping[str, Any]


class Registry:
    """Keeps models: a row in the ledger and a file in the archive.

    Parameters
    ----------
    ledger
        Where the table MODELS exists.
    archive
        Where the files lie; their hash is checked before they are parsed.
    """

    def __init__(self, ledger: Ledger, archive: Archive) -> None:
        self.ledger = ledger
        self.archive = archive

    def register(
        self,
        name: str,
        kind: str,
        content: Mapping[str, Any],
        *,
        inputs: str,
        as_of: datetime,
        figures: Mapping[str, Any] | None = None,
    ) -> Model:
        """Keep a model given as JSON values and return its row; the file is written before the row."""
        digest = self.archive.put(json.dumps(content, sort_keys=True).encode())
        model = Model(f"{name}-{digest[:12]}", name, kind, digest, inputs, as_of, utc_now(), dict(figures or {}))
        self.ledger.insert(
            MODELS,
            [
                {
                    "model_id": model.model_id,
                    "name": name,
                    "kind": kind,
                    "digest": digest,
                    "inputs": inputs,
                    "as_of": as_of,
                    "trained_at": model.trained_at,
                    "figures": json.dumps(model.figures, sort_keys=True),
                }
            ],
        )
        return model

    def models(self, name: str) -> list[Model]:
        """Return all versions of a name, oldest first."""
        rows = self.ledger.read(MODELS, name=name).to_pylist()
        return [Model(**{**row, "figures": json.loads(row["figures"])}) for row in rows]

    def latest(self, name: str, *, inputs: str | None = None) -> Model | None:
        """Return the newest version of a name, or the newest one trained on exactly these inputs; None if none."""
        found = [model for model in self.models(name) if inputs is None or model.inputs == inputs]
        return found[-1] if found else None

    def get(self, name: str, model_id: str) -> Model:
        """Return one version by its id, or the newest for ``"latest"``; ParameterError names those that exist."""
        found = self.models(name)
        for model in reversed(found):
            if model_id in (model.model_id, "latest"):
                return model
        there = ", ".join(model.model_id for model in found[-5:]) or "none yet"
        raise ParameterError(f"There is no model {model_id!r} of {name!r}; there are: {there}.")

    def load(self, model: Model) -> dict[str, Any]:
        """Return a model's content; raises IntegrityError when its file is not what was stored."""
        content: dict[str, Any] = json.loads(self.archive.get(model.digest))
        return content
