"""The recorder: a process of its own that writes what workers feed it into WebM and MKV files.

The node starts it, tells it what belongs together (``rpc``) and hears what became of
it; workers connect to its socket and send packets (``wire``). Nothing is transcoded,
and nothing here runs in a worker: ``media.feed`` is that end.
"""
