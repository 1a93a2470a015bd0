"""Which layers cross a relay link, and to which address."""

from __future__ import annotations

import pytest

from media.rpc import Layer, TrackInfo
from server.signalling.neighbour import common_address
from server.signalling.relays import rids_for


def info(*rids: str) -> TrackInfo:
    return TrackInfo(
        track="t",
        kind="video",
        codec="VP8",
        clock_rate=90_000,
        channels=0,
        fmtp="",
        layers=[Layer(rid=rid, ssrc=i) for i, rid in enumerate(rids)],
    )


@pytest.mark.parametrize(
    ("width", "height", "rids"),
    [
        (0, 0, ("q", "h", "f")),
        (160, 90, ("q",)),
        (320, 180, ("q",)),
        (321, 180, ("q", "h")),
        (640, 360, ("q", "h")),
        (640, 480, ("q", "h", "f")),
        (1280, 720, ("q", "h", "f")),
        (3840, 2160, ("q", "h", "f")),
    ],
)
def test_all_layers_up_to_the_first_that_fills_the_tile_cross(
    width: int, height: int, rids: tuple[str, ...]
) -> None:
    assert rids_for(info("q", "h", "f"), width, height) == rids


def test_a_track_without_simulcast_crosses_as_it_is() -> None:
    assert rids_for(info(""), 160, 90) == ("",)


@pytest.mark.parametrize(
    ("ours", "theirs", "there"),
    [
        (["192.0.2.1"], ["192.0.2.2"], "192.0.2.2"),
        (["2001:db8::1", "192.0.2.1"], ["2001:db8::2", "192.0.2.2"], "192.0.2.2"),
        (["2001:db8::1"], ["192.0.2.2", "2001:db8::2"], "2001:db8::2"),
        (["192.0.2.1"], ["2001:db8::2"], "2001:db8::2"),
    ],
)
def test_both_workers_choose_the_same_family(
    ours: list[str], theirs: list[str], there: str
) -> None:
    assert common_address(ours, theirs) == there
