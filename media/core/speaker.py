"""Audio levels (RFC 6464) to active speakers of one room, loudest first, without flicker."""

from __future__ import annotations

# Levels are in dB below overload: smaller is louder (RFC 6464 §3). Below -60 dB is
# a quiet room: how quiet makes no difference, and a voice rises from there sooner.
SILENCE = 60.0
# LiveKit's defaults: a level of 35 or louder is speech, looked at every 400 ms;
# leaving needs 10 dB less, so that a falling voice does not flicker.
ENTER, LEAVE = 35.0, 45.0
# A level follows the voice within a syllable or two, and a pause between words
# (up to about 0.8 s) does not end a turn.
SMOOTHING_S = 0.3
HOLD = 0.8
# With DTX nothing is sent in silence: a level not renewed for this long is silence.
STALE = 0.5
# Another voice must be this much louder to be named first.
LEAD_DB = 3.0


class _Voice:
    __slots__ = ("heard_at", "level", "loud_at")

    def __init__(self, now: float) -> None:
        self.level = SILENCE
        self.heard_at = now
        self.loud_at = now - HOLD - 1


class Speakers:
    """Owner: the worker, one per room."""

    __slots__ = ("_active", "_voices")

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._active: list[str] = []

    def heard(self, track: str, level: int, now: float) -> None:
        """Note a packet's level: 0 loudest .. 127 silence, in -dBov."""
        voice = self._voices.get(track)
        if voice is None:
            voice = self._voices[track] = _Voice(now)
        elapsed = now - voice.heard_at
        voice.heard_at = now
        # 20 ms packets: 1/15 of the way each. A gap counts at most as much as SMOOTHING_S.
        share = elapsed / SMOOTHING_S if elapsed > 0.02 else 0.02 / SMOOTHING_S
        target = level if level < SILENCE else SILENCE
        voice.level += (target - voice.level) * share if share < 1.0 else target - voice.level
        if voice.level <= (LEAVE if track in self._active else ENTER):
            voice.loud_at = now

    def spoke_within(self, track: str, seconds: float, now: float) -> bool:
        """Whether the track was loud so lately."""
        voice = self._voices.get(track)
        return voice is not None and now - voice.loud_at < seconds

    def remove(self, track: str) -> None:
        """Forget a track; ``update`` tells if it was speaking."""
        self._voices.pop(track, None)

    def update(self, now: float) -> list[str] | None:
        """Return the speakers, loudest first, when the list changed, else None; call every 100 ms or so."""
        for voice in self._voices.values():
            if now - voice.heard_at > STALE:
                voice.level = SILENCE
        speaking = [
            track
            for track, voice in self._voices.items()
            if voice.level <= ENTER or now - voice.loud_at < HOLD
        ]
        ordered = self._order(speaking)
        if ordered == self._active:
            return None
        self._active = ordered
        return list(ordered)

    def _order(self, speaking: list[str]) -> list[str]:
        """Keep the order of before; a track passes its neighbour only when clearly louder."""
        voices = self._voices
        kept = [track for track in self._active if track in speaking]
        new = sorted((t for t in speaking if t not in kept), key=lambda t: voices[t].level)
        ordered = kept + new
        for _ in ordered:
            moved = False
            for at in range(len(ordered) - 1, 0, -1):
                before, after = ordered[at - 1], ordered[at]
                if voices[after].level + LEAD_DB < voices[before].level:
                    ordered[at - 1], ordered[at] = after, before
                    moved = True
            if not moved:
                break
        return ordered

    def loudest(self, count: int) -> list[str]:
        """Return at most ``count`` tracks worth hearing in a large room, loudest first.

        Speakers in their steady order, then others that are not silent: a beginning
        is not cut off.
        """
        rest = sorted(
            (
                track
                for track, voice in self._voices.items()
                if track not in self._active and voice.level < SILENCE
            ),
            key=lambda track: self._voices[track].level,
        )
        return [*(t for t in self._active if t in self._voices), *rest][:count]
