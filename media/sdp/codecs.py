"""Which of the offered codecs, feedback and header extensions we speak, and in what order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from media.core import extensions
from media.sdp.model import Codec, Extension, Section

PREFERENCE: Mapping[str, Sequence[str]] = {
    "audio": ("opus",),
    "video": ("vp8", "h264", "vp9", "av1"),
}
CLOCK_RATES = {"opus": 48000, "vp8": 90000, "h264": 90000, "vp9": 90000, "av1": 90000}
FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
OPUS_FMTP = "minptime=10;useinbandfec=1;usedtx=1"
"""Asks senders for repair within the stream and for silence that is not sent (RFC 7587 §6.1)."""
ECHOED = {
    "h264": ("level-asymmetry-allowed", "packetization-mode", "profile-level-id"),
    "vp9": ("profile-id",),
    "av1": ("profile", "level-idx", "tier"),
}
"""Parameters that name the stream itself; the others are a receiver's wishes."""

BOTH = (extensions.MID, extensions.ABS_SEND_TIME, extensions.TRANSPORT_CC)
VIDEO = (extensions.VIDEO_ORIENTATION,)
LAYERED = ("vp9", "av1")
"""Codecs with layers in one stream, which dependency descriptors tell of."""

_RECEIVED: Mapping[str, Collection[str]] = {
    "audio": (*BOTH, extensions.AUDIO_LEVEL),
    "video": (*BOTH, *VIDEO, extensions.RID, extensions.REPAIRED_RID),
}
_SENT: Mapping[str, Sequence[str]] = {
    "audio": (*BOTH, extensions.AUDIO_LEVEL),
    "video": (*BOTH, *VIDEO),
}
OUR_IDS = {
    uri: number
    for number, uri in enumerate(
        (*BOTH, extensions.AUDIO_LEVEL, *VIDEO, extensions.DEPENDENCY_DESCRIPTOR), start=1
    )
}
COMPLEMENT = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
MAX_ONE_BYTE_ID = 14
MAX_PARAMETER_SETS_CHARS = 1024


def parameters(fmtp: str) -> dict[str, str]:
    """Of an fmtp line, names in lower case."""
    pairs = (part.strip().partition("=") for part in fmtp.split(";"))
    return {name.lower(): value for name, _, value in pairs if name}


def received(kind: str, codec: str) -> Collection[str]:
    """Header extensions we want of a sender."""
    return (*_RECEIVED[kind], *_layers(codec))


def sent(kind: str, codec: str) -> Sequence[str]:
    """Header extensions we send."""
    return (*_SENT[kind], *_layers(codec))


def _layers(codec: str) -> Sequence[str]:
    return (extensions.DEPENDENCY_DESCRIPTOR,) if codec.lower() in LAYERED else ()


def choose(section: Section) -> Codec | None:
    """The offered codec we like best, as we answer it."""
    speakable = [
        codec
        for codec in section.codecs
        if CLOCK_RATES.get(codec.name.lower()) == codec.clock_rate
        and codec.name.lower() in PREFERENCE[section.kind]
    ]
    order = PREFERENCE[section.kind]
    best = min(speakable, key=lambda c: (order.index(c.name.lower()), _oddity(c)), default=None)
    return None if best is None else answered(best)


def match(section: Section, name: str, fmtp: str) -> Codec | None:
    """The offered codec that decodes a stream of that codec and fmtp, as we answer it."""
    wanted = _stream(name, fmtp)
    same = [c for c in section.codecs if c.name.lower() == name.lower()]
    fitting = [c for c in same if _stream(c.name, c.fmtp)[0] == wanted[0]]
    best = min(fitting, key=lambda c: _stream(c.name, c.fmtp)[1] != wanted[1], default=None)
    return None if best is None else answered(best)


def answered(codec: Codec) -> Codec:
    """The codec with what we echo of its fmtp and feedback."""
    name = codec.name.lower()
    said = parameters(codec.fmtp)
    echo = ";".join(f"{key}={said[key]}" for key in ECHOED.get(name, ()) if key in said)
    return Codec(
        payload_type=codec.payload_type,
        name=codec.name,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        fmtp=OPUS_FMTP if name == "opus" else echo,
        feedback=tuple(kind for kind in codec.feedback if kind in FEEDBACK),
    )


def parameter_sets(section: Section, codec: Codec) -> str:
    """What an offer says of a codec's parameter sets, in base64 with commas; "" if nothing."""
    for offered in section.codecs:
        if offered.payload_type == codec.payload_type:
            said = parameters(offered.fmtp).get("sprop-parameter-sets", "")
            return said if len(said) <= MAX_PARAMETER_SETS_CHARS else ""
    return ""


def rtx_of(section: Section, codec: Codec) -> Codec | None:
    """RFC 4588 retransmissions of a codec."""
    for rtx in section.codecs:
        if rtx.name.lower() == "rtx" and parameters(rtx.fmtp).get("apt") == str(codec.payload_type):
            return Codec(
                payload_type=rtx.payload_type,
                name=rtx.name,
                clock_rate=rtx.clock_rate,
                fmtp=f"apt={codec.payload_type}",
            )
    return None


def red_of(section: Section, codec: Codec) -> Codec | None:
    """Redundant audio of a codec alone (RFC 2198 §5)."""
    for red in section.codecs:
        names = red.fmtp.split("/")
        if (
            red.name.lower() == "red"
            and red.clock_rate == codec.clock_rate
            and len(names) > 1
            and set(names) == {str(codec.payload_type)}
        ):
            return replace(red, feedback=())
    return None


def common_extensions(
    section: Section, wanted: Collection[str], excluded: str
) -> tuple[Extension, ...]:
    """The offered extensions we want, as we answer them.

    Args:
        excluded: the direction in which the peer would not use what we want it for.
    """
    found: dict[str, Extension] = {}
    taken: set[int] = set()
    for extension in section.extensions:
        if (
            extension.uri in wanted
            and extension.direction not in (excluded, "inactive")
            and extension.id <= MAX_ONE_BYTE_ID
            and extension.uri not in found
            and extension.id not in taken
        ):
            taken.add(extension.id)
            found[extension.uri] = Extension(
                id=extension.id,
                uri=extension.uri,
                direction=COMPLEMENT[extension.direction],  # type: ignore[arg-type]
            )
    return tuple(found.values())


def _oddity(codec: Codec) -> int:
    """0 for the profile every browser decodes."""
    said = parameters(codec.fmtp)
    match codec.name.lower():
        case "h264":
            baseline = said.get("profile-level-id", "42").lower().startswith("42e0")
            return 2 * (said.get("packetization-mode") != "1") + (not baseline)
        case "vp9":
            return int(said.get("profile-id", "0") != "0")
        case "av1":
            return int(said.get("profile", "0") != "0")
    return 0


def _stream(name: str, fmtp: str) -> tuple[str, str]:
    """What must be equal for a decoder to take a stream, and what should be."""
    said = parameters(fmtp)
    match name.lower():
        case "h264":
            profile = said.get("profile-level-id", "420010").lower()[:4]
            return said.get("packetization-mode", "0"), profile
        case "vp9":
            return said.get("profile-id", "0"), ""
        case "av1":
            return said.get("profile", "0"), ""
    return "", ""
