"""Engines run a plain function over chunks of a table; they know no records."""
