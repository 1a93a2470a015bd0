"""A published track as it arrives here, and its fan-out to whoever receives it.

Fed by a publisher's transport or by a relay link alike; its layers (``media/layer.py``) do
the work. Sends nothing itself.
"""

from __future__ import annotations

from media.core.codecs import codec as find_codec
from media.core.extensions import ExtensionIds, Translation
from media.core.source import Source
from media.layer import Layer
from media.output import Output, Upstream
from media.rpc import Kind, TrackInfo
from media.statistics import TrackStats
from media.switchboard import Switchboard
from media.voices import Voices


class PublishedTrack:
    """A track that this worker has, from its own publisher or over a relay link.

    Owner: the publisher or relay link that made it. Lifetime: from negotiation to
    ``close``, whether packets come or not.

    Attributes:
        layers: lowest first.
        choices: what a receiver can be sent, lowest first: a layer and how much of it.
        states: of the choices.
        dependency_id: header extension with dependency descriptors, 0 without.
        outputs: everybody attached, whether they get packets now or not.
        ssrc: odd; who sends the track on uses it wherever it was not used before.
        held: nothing is forwarded or kept.
        background: not among its room's loudest voices; only who wants it always gets it.
        voices: of its room, None for a picture.
        repairs: the origin answers NACK.
        payload_type: as the origin numbers the codec.
        red: as it numbers redundant audio, -1 if it sends none.
        level_id: header extension with audio levels, 0 without.
    """

    def __init__(
        self,
        board: Switchboard,
        info: TrackInfo,
        *,
        room: str,
        upstream: Upstream,
        source_ids: ExtensionIds,
        payload_type: int,
        repairs: bool,
        keyframe_by_fir: bool = False,
        red: int | None = None,
    ) -> None:
        self.board = board
        self.info = info
        self.id = info.track
        self.kind: Kind = info.kind
        self.clock_rate = info.clock_rate
        self.room = room
        self.upstream = upstream
        self.ssrc = board.new_ssrc()
        self.codec = find_codec(info.codec)
        self.payload_type = payload_type
        self.red = -1 if red is None else red
        self.repairs = repairs
        self.keyframe_by_fir = keyframe_by_fir
        self.held = False
        self.background = False
        self.voices: Voices | None = None
        self.outputs: set[Output] = set()
        self.layers = [Layer(self, layer.rid, layer.ssrc) for layer in info.layers]
        self.reckon()
        self._translations: dict[tuple[ExtensionIds, bool], Translation] = {}
        self._take_ids(source_ids)

    def _take_ids(self, source_ids: ExtensionIds) -> None:
        self.source_ids = source_ids
        self.level_id = source_ids.audio_level if self.kind == "audio" else 0
        self.dependency_id = source_ids.dependency if self.codec.layered else 0

    def reckon(self) -> None:
        """Layers were found, or are no more."""
        self.choices = [(layer, state) for layer in self.layers for state in layer.parts.states]
        self.states = [state for _, state in self.choices]

    def layer(self, rid: str) -> Layer | None:
        """Find a layer by rid."""
        for layer in self.layers:
            if layer.rid == rid:
                return layer
        return None

    def layer_of(self, source: Source | None) -> Layer | None:
        """Find the layer that ``source`` feeds now."""
        for layer in self.layers:
            if layer.source is source:
                return layer if source is not None else None
        return None

    def renumber(self, source_ids: ExtensionIds, payload_type: int, red: int | None = None) -> None:
        """The origin renegotiated: its header extensions or payload types have other numbers."""
        self.payload_type = payload_type
        self.red = -1 if red is None else red
        if source_ids == self.source_ids:
            return
        self._take_ids(source_ids)
        self._translations.clear()
        for layer in self.layers:
            for group in layer.groups:
                group.unseat_all()
            outputs = [output for group in layer.groups for output in group.outputs]
            layer.groups = []
            for output in outputs:
                layer.add(output)

    def translation(self, target: ExtensionIds, *, redundant: bool = False) -> Translation:
        """Give the shared translation to a set of extension numbers."""
        key = (target, redundant)
        translation = self._translations.get(key)
        if translation is None:
            translation = Translation(self.source_ids, target, redundant=redundant)
            self._translations[key] = translation
        return translation

    def attach(self, output: Output) -> None:
        """Let an output choose among the layers from now on."""
        self.outputs.add(output)

    def detach(self, output: Output) -> None:
        self.outputs.discard(output)
        for layer in self.layers:
            layer.remove(output)

    def hold(self, held: bool) -> None:
        """Forward nothing while held; nothing of that time is forwarded later either."""
        if held == self.held:
            return
        self.held = held
        for layer in self.layers:
            layer.forget()
            if not held:
                layer.let_go()
        for output in tuple(self.outputs):
            output.hold_changed()

    def set_background(self, background: bool) -> None:
        """Say whether the room listens to others now."""
        if background == self.background:
            return
        self.background = background
        for output in tuple(self.outputs):
            output.background_changed()

    def measure(self, now: float) -> None:
        """Bring the layers' rates up to date; call it every tick."""
        for layer in self.layers:
            layer.measure(now)

    def close(self) -> None:
        """The track is no more; whoever watches it is told through the switchboard."""
        self.board.remove(self)
        for output in tuple(self.outputs):
            self.detach(output)

    def stats(self) -> TrackStats:
        return TrackStats(
            room=self.room,
            kind=self.kind,
            codec=self.info.codec,
            held=self.held,
            background=self.background,
            outputs=len(self.outputs),
            layers={layer.rid: layer.stats() for layer in self.layers},
        )
