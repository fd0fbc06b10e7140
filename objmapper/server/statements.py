"""Statements: what a request says to the database inside its transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Statements:
    """The connection of a transaction, and the statements that every view needs."""

    connection: sqlite3.Connection

    def rows(self, sql: str, parameters: Any = ()) -> list[sqlite3.Row]:
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Any = ()) -> sqlite3.Row | None:
        """The first row; a number that no column can hold is in none."""
        try:
            found: sqlite3.Row | None = self.connection.execute(sql, parameters).fetchone()
        except OverflowError:
            return None
        return found

    def insert(self, table: str, columns: Mapping[str, Any]) -> int:
        """A row is added; its id."""
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        return self.run(sql, [*columns.values()])

    def update(self, table: str, key: int, columns: Mapping[str, Any]) -> None:
        """The columns of a row are set."""
        pairs = ", ".join(f"{column} = ?" for column in columns)
        self.run(f"UPDATE {table} SET {pairs} WHERE id = ?", [*columns.values(), key])

    def run(self, sql: str, parameters: Any = ()) -> int:
        """A statement is run; the id of what it inserted, if it did."""
        return self.connection.execute(sql, parameters).lastrowid or 0
