"""The sans-IO heart of the SFU: bytes and seconds in, bytes and decisions out.

Nothing here owns a socket, a task, a clock or a log. ``now`` is monotonic
seconds; ``seq`` and ``ts`` are extended (never wrap), ``seq16`` and ``ts32`` are
as on the wire. A packet's way through it::

    packet = parse(data)                      # Packet | Malformed
    source = sources.get(packet.ssrc)         # or Demux.learn(packet, now), once per SSRC
    source.receive(packet, now)               # numbers, statistics -> Receipt
    history.add(packet)                       # False: a duplicate
    losses.received(packet.seq, now)          # what is missing
    codec.inspect(packet)                     # keyframe, temporal layer, picture id
    wire = translation.apply(packet, now)     # once per set of extension ids
    for each down track:
        if forwarder.map(packet) is None:     # else a Drop
            n = forwarder.write(buffer, at, wire, twcc_seq)
"""
