"""The demo convention: its rooms, and the synthetic people in them.

Sample data: nobody here is real, and every one of them is marked synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from rooms.ids import Identity, RoomId
from rooms.live import Role, RoomKind
from server.demo.portraits import Looks


@dataclass(frozen=True, kw_only=True)
class DemoRoom:
    """``node``: the node whose people are in it when there are several."""

    id: RoomId
    kind: RoomKind
    names: dict[str, str]
    city: str
    zone: str
    node: str


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """``pitch_hz``: voice, or None for a listener without a microphone. ``slides``: shows a screen."""

    identity: Identity
    name: str
    role: Role
    room: RoomId
    city: str
    looks: Looks
    greeting: str
    pitch_hz: float | None = None
    slides: bool = False


HALL_GZ, HALL_SF, HALL_TK = RoomId("guangzhou"), RoomId("san-francisco"), RoomId("tokyo")
INTERVIEW, ROADSHOW = RoomId("interview-1"), RoomId("roadshow")

ROOMS: tuple[DemoRoom, ...] = (
    DemoRoom(
        id=HALL_GZ,
        kind=RoomKind.HALL,
        names={"zh": "广州主会场", "en": "Guangzhou main hall", "ja": "広州メイン会場"},
        city="guangzhou",
        zone="Asia/Shanghai",
        node="gz",
    ),
    DemoRoom(
        id=HALL_SF,
        kind=RoomKind.HALL,
        names={"zh": "旧金山分会场", "en": "San Francisco hall", "ja": "サンフランシスコ会場"},
        city="san-francisco",
        zone="America/Los_Angeles",
        node="sf",
    ),
    DemoRoom(
        id=HALL_TK,
        kind=RoomKind.HALL,
        names={"zh": "东京分会场", "en": "Tokyo hall", "ja": "東京会場"},
        city="tokyo",
        zone="Asia/Tokyo",
        node="tk",
    ),
    DemoRoom(
        id=INTERVIEW,
        kind=RoomKind.INTERVIEW,
        names={"zh": "面试室 1", "en": "Interview room 1", "ja": "面接室 1"},
        city="guangzhou",
        zone="Asia/Shanghai",
        node="gz",
    ),
    DemoRoom(
        id=ROADSHOW,
        kind=RoomKind.STAGE,
        names={"zh": "项目路演", "en": "Project roadshow", "ja": "プロジェクト・ロードショー"},
        city="guangzhou",
        zone="Asia/Shanghai",
        node="gz",
    ),
)

DAWN, NOON, DUSK, NIGHT = (
    ("#9db9d8", "#e6ecf4"),
    ("#7fb0d6", "#d7e6ee"),
    ("#c9a9a0", "#efe0d2"),
    ("#2b3c63", "#6d7fa6"),
)

PEOPLE: tuple[DemoPerson, ...] = (
    DemoPerson(
        identity=Identity("demo-chen-jianing"),
        name="陈嘉宁 Chen Jianing",
        role=Role.SPEAKER,
        room=HALL_GZ,
        city="guangzhou",
        looks=Looks(*DAWN, "#e8bf9c", "#22201f", "#1b3a6b", glasses=True),
        greeting="各位好，欢迎来到广州主会场。",
        pitch_hz=118,
    ),
    DemoPerson(
        identity=Identity("demo-lin-yue"),
        name="林悦 Lin Yue",
        role=Role.SPEAKER,
        room=HALL_GZ,
        city="guangzhou",
        looks=Looks(*NOON, "#efc9a8", "#2c211c", "#7a2e3a", long_hair=True),
        greeting="旧金山和东京的朋友，听得清楚吗？",
    ),
    DemoPerson(
        identity=Identity("demo-maria-kowalska"),
        name="Maria Kowalska",
        role=Role.SPEAKER,
        room=HALL_SF,
        city="san-francisco",
        looks=Looks(*DUSK, "#f0d0b8", "#8a5a34", "#2f6b57", long_hair=True),
        greeting="Good evening from San Francisco. We hear Guangzhou clearly.",
        pitch_hz=205,
    ),
    DemoPerson(
        identity=Identity("demo-zhang-wei"),
        name="张伟 Wei Zhang",
        role=Role.SPEAKER,
        room=HALL_SF,
        city="san-francisco",
        looks=Looks(*NIGHT, "#e2b892", "#1d1b1a", "#4a4f5c"),
        greeting="湾区的同学可以在这里提问。",
    ),
    DemoPerson(
        identity=Identity("demo-sato-misaki"),
        name="佐藤美咲 Satō Misaki",
        role=Role.SPEAKER,
        room=HALL_TK,
        city="tokyo",
        looks=Looks(*DAWN, "#f1cfb0", "#241d1b", "#35518c", long_hair=True, glasses=True),
        greeting="東京会場の佐藤です。よろしくお願いいたします。",
        pitch_hz=220,
    ),
    DemoPerson(
        identity=Identity("demo-tanaka-ken"),
        name="田中健 Tanaka Ken",
        role=Role.SPEAKER,
        room=HALL_TK,
        city="tokyo",
        looks=Looks(*NOON, "#e6bb95", "#26221f", "#50606b"),
        greeting="資料は後ほど共有いたします。",
    ),
    DemoPerson(
        identity=Identity("demo-huang-min"),
        name="黄敏 Huang Min",
        role=Role.MODERATOR,
        room=INTERVIEW,
        city="guangzhou",
        looks=Looks(*NOON, "#edc6a4", "#201c1b", "#1b3a6b", long_hair=True, glasses=True),
        greeting="您好，我是今天的面试官黄敏，请随时开麦。",
        pitch_hz=198,
    ),
    DemoPerson(
        identity=Identity("demo-priya-raman"),
        name="Priya Raman",
        role=Role.SPEAKER,
        room=ROADSHOW,
        city="vancouver",
        looks=Looks(*DUSK, "#b98257", "#191513", "#6b3f7a", long_hair=True),
        greeting="Hello all, our battery recycling project is next. Slides are on screen.",
        pitch_hz=210,
        slides=True,
    ),
    DemoPerson(
        identity=Identity("demo-ho-kafai"),
        name="何家輝 Ho Ka-fai",
        role=Role.MODERATOR,
        room=ROADSHOW,
        city="guangzhou",
        looks=Looks(*DAWN, "#e4ba93", "#2a2725", "#3a4254", glasses=True),
        greeting="欢迎各位评委与投资人，路演马上开始。",
    ),
    DemoPerson(
        identity=Identity("demo-oliver-brandt"),
        name="Oliver Brandt",
        role=Role.SPEAKER,
        room=ROADSHOW,
        city="tokyo",
        looks=Looks(*NIGHT, "#f2d4bd", "#b98b52", "#28455e"),
        greeting="Judging from Tokyo today. Good luck to everyone!",
    ),
)
