"""One person's row of a matrix, in microseconds: what was learnt of each column, laid out for a few numpy calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coterie.errors import MissingColumnError, ParameterError
from coterie.features.encodings import LARGEST, Column, NumberColumn

_PLAIN = frozenset({int, float, bool, type(None), np.float64, np.float32, np.int64, np.int32, np.bool_})
_UNKNOWN = "\0"  # a text that is no level


class RowEncoder:
    """Turns one person's values, by the name of the column, into a row of the matrix, as ``Matrix.transform`` does.

    Parameters
    ----------
    parts
        What was learnt of each column.
    transform
        Makes the rows of a whole table; it is asked where a value is neither a plain number nor text.
    """

    def __init__(self, parts: Sequence[Column], transform: Callable[[nw.DataFrame[Any]], NDArray[np.float32]]) -> None:
        self._transform = transform
        self._names = tuple(part.name for part in parts)
        starts = np.cumsum([0, *(len(part.outputs) for part in parts)])
        self._width = int(starts[-1])
        placed = [(part, int(start)) for part, start in zip(parts, starts[:-1], strict=True)]
        numbers = [(part, start) for part, start in placed if isinstance(part, NumberColumn)]
        numbers.sort(key=lambda one: not one[0].log)  # logged ones first, so that they are one slice
        self._numbers = tuple(part.name for part, _ in numbers)
        self._places = np.array([start for _, start in numbers], dtype=np.intp)
        self._logged = sum(part.log for part, _ in numbers)
        learnt = np.array(
            [[part.fill, part.per, part.low, part.high, part.centre, part.scale, part.weight] for part, _ in numbers]
        ).reshape(-1, 7)
        self._fill, self._per, self._low, self._high, self._centre, self._scale, self._weight = learnt.T.copy()
        self._per = self._per[: self._logged].copy()
        told = [(at, start + 1, part) for at, (part, start) in enumerate(numbers) if part.absent]
        self._told = np.array([at for at, _, _ in told], dtype=np.intp)
        self._told_places = np.array([place for _, place, _ in told], dtype=np.intp)
        self._told_values = np.array([1.0 / part.absent * part.weight for _, _, part in told])
        self._texts: list[tuple[str, slice, dict[str | None, NDArray[np.float32]], NDArray[np.float32]]] = []
        for part, start in placed:
            if not isinstance(part, NumberColumn):
                values = (*part.levels, None, _UNKNOWN)
                frame = nw.from_native(pa.table({part.name: pa.array(values, pa.string())}), eager_only=True)
                rows = np.stack(part.transform(frame), axis=1).astype(np.float32)
                table: dict[str | None, NDArray[np.float32]] = dict(zip(values[:-1], rows, strict=False))
                self._texts.append((part.name, slice(start, start + len(part.outputs)), table, rows[-1]))

    def __call__(self, values: Mapping[str, object]) -> NDArray[np.float32]:
        """Return the row: float32 of shape (columns of the matrix,)."""
        try:
            known = [values[name] for name in self._numbers]
            texts = [values[name] for name, _, _, _ in self._texts]
        except KeyError:
            lost = [name for name in self._names if name not in values]
            raise MissingColumnError.of("The person", lost, list(values)) from None
        if not _PLAIN.issuperset(map(type, known)):
            return self._slowly(values)
        row = np.zeros(self._width, dtype=np.float32)
        try:
            x = np.array(known, dtype=np.float64)
        except OverflowError:
            return self._slowly(values)
        finite = np.isfinite(x)
        if not finite.all():
            x = np.where(finite, x, self._fill)
            if len(self._told):
                row[self._told_places] = ~finite[self._told] * self._told_values
        np.minimum(np.maximum(x, -LARGEST, out=x), LARGEST, out=x)
        logged = x[: self._logged]
        np.log1p(np.maximum(logged, 0.0, out=logged) / self._per, out=logged)
        np.minimum(np.maximum(x, self._low, out=x), self._high, out=x)
        x -= self._centre
        x /= self._scale
        x *= self._weight
        row[self._places] = x
        for text, (_, place, table, unknown) in zip(texts, self._texts, strict=True):
            if text is not None and type(text) is not str:
                return self._slowly(values)
            row[place] = table.get(text, unknown)
        return row

    def _slowly(self, values: Mapping[str, object]) -> NDArray[np.float32]:
        """Return the row by way of a table of one person."""
        table = {}
        for name in self._names:
            try:
                table[name] = pa.array([values[name]], from_pandas=True)
            except (pa.ArrowException, OverflowError, TypeError):
                kind = type(values[name]).__name__
                raise ParameterError.of("The person", name, kind, "a number, a truth value or text") from None
        row: NDArray[np.float32] = self._transform(nw.from_native(pa.table(table), eager_only=True))[0]
        return row
