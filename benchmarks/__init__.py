"""Measurements of weitiao against others, each a process of its own."""
