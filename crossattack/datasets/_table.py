"""A table of pictures: rows of `image`, `text` and `labels`, as CSV or as a JSON object a line."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from crossattack.datasets._files import Files
from crossattack.errors import DataError

COLUMNS = ("image", "text", "labels")
ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Row:
    """One text of one picture, and labels of the picture."""

    image: str
    text: str
    labels: tuple[str, ...]


def table_in(files: Files, called: str | None) -> str:
    """The table's name: the one that was asked for, or the only CSV or JSONL at the top of the folder (in an archive, anywhere)."""
    tables = [name for name in files.names if name.lower().endswith(ENDINGS)]
    if called is not None:
        if called not in tables:
            raise DataError(f"{files.root}: {called} wanted, {', '.join(tables) or 'no .csv or .jsonl'} got; check `data.table`.")
        return called
    top = [name for name in tables if "/" not in name] or tables
    if len(top) != 1:
        got = ", ".join(top) or "none"
        raise DataError(f"{files.root}: one .csv or .jsonl with columns {', '.join(COLUMNS)} wanted, {got} got; say which: `data.table`.")
    return top[0]


def rows_in(files: Files, table: str) -> list[Row]:
    """All rows. `DataError` names the first line that is none, or that another line has said already."""
    try:
        text = files.read(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: UTF-8 wanted, other bytes got ({error.reason} at {error.start}); save it as UTF-8.") from None
    found, said = list[Row](), dict[tuple[str, str], int]()
    for line, fields in (from_csv if table.lower().endswith(".csv") else from_jsonl)(table, text):
        row = row_of(fields, f"{table}, line {line}")
        if (row.image, row.text) in said:
            first = said[row.image, row.text]
            raise DataError(f"{table}, line {line}: every text of a picture once wanted, that of line {first} got again; remove one.")
        said[row.image, row.text] = line
        found.append(row)
    if not found:
        raise DataError(f"{table}: rows with {', '.join(COLUMNS)} wanted, none got; write a row a text.")
    return found


def from_csv(table: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and fields."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            got = ", ".join(reader.fieldnames or ())[:80] or "nothing"
            raise DataError(f"{table}: a first line with {', '.join(COLUMNS)} wanted, no {missing[0]} in {got}; add it.")
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{table}, line {reader.line_num}: {len(reader.fieldnames or ())} fields wanted, others got; quote commas.")
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}: CSV wanted, another line got ({error}).") from None


def from_jsonl(table: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects."""
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            fields = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{table}, line {line}: a JSON object wanted, none got ({error}).") from None
        if not isinstance(fields, dict):
            raise DataError(f"{table}, line {line}: a JSON object wanted, {type(fields).__name__} got.")
        yield line, fields


def row_of(fields: dict[str, Any], where: str) -> Row:
    """A row of the three columns; labels separated by `;`, or a JSON list. The picture has to lie inside the folder."""
    image, text, labels = (fields.get(column) for column in COLUMNS)
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        labels = ";".join(labels)
    if not (isinstance(image, str) and isinstance(text, str) and isinstance(labels, str)):
        raise DataError(f"{where}: `image`, `text` and `labels` as strings wanted, others got.")
    if "\0" in image + text + labels:
        raise DataError(f"{where}: text wanted, a zero byte got; save the table again.")
    path = PurePosixPath(image.strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or (path.parts and ":" in path.parts[0]):
        raise DataError(f"{where}: a picture below the folder wanted, {image[:80]!r} got; write its path from there.")
    if not text.strip():
        raise DataError(f"{where}: a text wanted, none got; a picture without one cannot be looked for.")
    names = tuple(dict.fromkeys(label.strip() for label in labels.split(";") if label.strip()))
    return Row(str(path), text.strip(), names)
