"""Parsers of foreign bytes, and a fuzzer (atheris) that looks for bytes they do not expect.

    python -m tests.fuzz rtcp 600        look for ten minutes
    python -m tests.fuzz rtcp FILE       try one input

What it finds stays in ``crashes/`` and is tried by every run of the tests.
"""
