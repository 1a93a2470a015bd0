"""Whole nodes, real browsers, real encoders."""
