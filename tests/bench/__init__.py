"""Measurements of whole nodes, side by side with a peer where there is one: ``make bench``."""
