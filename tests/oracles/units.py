"""The rule of units without ids, file by file, as multisets."""

from __future__ import annotations

from collections import Counter


def facts_of(files: list[list[tuple[str, str]]]) -> Counter[tuple[str, str]]:
    """Return the lines that are stored after files of ``(unit, what a line says)`` came in, one after the other."""
    stored: dict[str, list[tuple[int, int, str]]] = {}  # unit → file and row that brought a line, and what it says
    for number, rows in enumerate(files):
        units = {unit for unit, _ in rows}
        before = {unit: list(stored.get(unit, [])) for unit in units}
        shared = Counter(file for unit in units for file in {file for file, _, _ in before[unit]})
        for unit in units:
            now = Counter(line for one, line in rows if one == unit)
            there = Counter(line for _, _, line in before[unit])
            cut = any(
                seam(rows, unit, files[file], [row for one, row, _ in before[unit] if one == file])
                and count == 1
                and now != Counter(line for one, _, line in before[unit] if one == file)
                for file, count in shared.items()
                if file in {one for one, _, _ in before[unit]}
            )
            known = Counter() if cut or not (now <= there or there <= now) else Counter(there)
            for row, (one, line) in enumerate(rows):
                if one == unit and known[line]:
                    known[line] -= 1
                elif one == unit:
                    stored.setdefault(unit, []).append((number, row, line))
    return Counter((unit, line) for unit, lines in stored.items() for _, _, line in lines)


def seam(rows: list[tuple[str, str]], unit: str, other: list[tuple[str, str]], stored: list[int]) -> bool:
    """Tell whether one file ends in the unit, with a row that it brought, and the other begins with it."""
    return (rows[0][0] == unit and max(stored) == len(other) - 1) or (rows[-1][0] == unit and min(stored) == 0)
