"""Look into a finished run: its funnel, any page of its records, full-text search, and the life of one record.

A run is read once, by a process of its own (`census`), into small columns and the texts in the run's folder `.browse`
(`catalogue`); meanwhile and after that the pairs of characters are indexed (`grams`). Nothing of it is in memory but
what is looked at: the files are mapped. All of it may be deleted at any time, and is made anew when a stage was run
again. Measured against other ways in docs/decisions/0015.
"""

from weitiao.browse.catalogue import Catalogue, Fate, Found, Label, Page, Query
from weitiao.browse.visit import Browser, Piece, Progress, Told
from weitiao.trace import Event, Life

__all__ = [
    "Browser",
    "Catalogue",
    "Event",
    "Fate",
    "Found",
    "Label",
    "Life",
    "Page",
    "Piece",
    "Progress",
    "Query",
    "Told",
]
