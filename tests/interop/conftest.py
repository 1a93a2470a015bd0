"""Venues and browsers as in the end-to-end tests, for clients and networks of every kind."""

from __future__ import annotations

from tests.e2e.conftest import browser, small_venue, venue, visit

__all__ = ["browser", "small_venue", "venue", "visit"]
