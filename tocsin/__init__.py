"""Tocsin, a SIEM: collect, normalise, keep, detect, correlate, investigate, respond.

`docs/architecture.md` has a line for each folder of this package.
"""

__version__ = "0.1.0"
