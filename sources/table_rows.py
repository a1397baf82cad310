"""The rows of a table one by one, as fastai asks for items, without a table for each."""

from abc import ABCMeta

import pandas as pd


class TableRow(metaclass=ABCMeta):  # noqa: B024  (the rows of pandas are registered as such)
    """A row of a table, for fastai, which asks for each several times: `row.label`, `row["age"]`; name: its index.

    What stands in it is looked up in the table's columns, so that a million rows take little memory. The rows that
    pandas makes count as such too: `dls.test_dl(table)`.
    """

    __slots__ = ("at", "columns")

    def __init__(self, at, columns):
        self.at, self.columns = at, columns

    def __getitem__(self, name):
        return self.columns[name][self.at]

    def __getattr__(self, name):
        if name in TableRow.__slots__ or name not in self.columns:
            raise AttributeError(name)
        return self.columns[name][self.at]

    @property
    def name(self):
        """The row's index in the table."""
        return int(self.columns[TableRow][self.at])

    def get(self, name, default):
        """What stands in a column, `default` where there is no such column."""
        return self.columns[name][self.at] if name in self.columns else default


TableRow.register(pd.Series)


def table_rows(table):
    """The rows of a table (N) in a list of TableRows."""
    columns = {name: table[name].to_numpy() for name in table} | {TableRow: table.index.to_numpy()}
    return [TableRow(at, columns) for at in range(len(table))]
