"""The command line: ``python -m server serve | token | doctor | settings | demo``.

What a command needs is imported by that command, so that ``token`` and ``--help``
answer at once and ``demo`` starts its nodes at once.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import re
import secrets
import sys
import textwrap
from collections.abc import Callable

from rooms.live import Role, Source
from server import config

EXIT_SETTINGS = 2

Command = Callable[[argparse.Namespace], int]


def main(arguments: list[str]) -> int:
    """Run one command; return the process's exit code."""
    parsed = _parser(demo=arguments[:1] == ["demo"]).parse_args(arguments)
    command: Command = parsed.command
    try:
        return command(parsed)
    except config.SettingsError as error:
        print("The settings cannot be used:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return EXIT_SETTINGS
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser(*, demo: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Yunhai, a hybrid venue: rooms with sound and picture, chat and people, in several cities.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser(
        "serve",
        help="run this node",
        description="Run this node until SIGTERM or Ctrl-C.",
        epilog=_settings_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument(
        "--check-config",
        action="store_true",
        help="only check the settings, then say what they are",
    )
    serve.set_defaults(command=_serve)

    token = commands.add_parser(
        "token",
        help="print a token that lets somebody in",
        description="Print a token, signed with YUNHAI_SECRET (or the data folder's own secret). "
        "Without --publish its bearer only watches; without --subscribe only sends.",
        epilog="A browser enters with PUBLIC-URL/enter#token=TOKEN, an encoder with it as bearer token.",
    )
    where = token.add_mutually_exclusive_group(required=True)
    where.add_argument("--room", metavar="R", help="the room it opens")
    where.add_argument(
        "--any-room", action="store_true", help="opens every room, and makes them (operators)"
    )
    token.add_argument(
        "--name", metavar="N", default="Guest", help="name others see (default: Guest)"
    )
    token.add_argument(
        "--identity",
        metavar="ID",
        help="who it is, the same for all their devices (default: from the name)",
    )
    token.add_argument(
        "--role", choices=[str(r) for r in Role], default="member", help="default: member"
    )
    token.add_argument("--publish", action="store_true", help="may send sound and picture")
    token.add_argument(
        "--sources", metavar="S", help=f"only these, separated by commas: {', '.join(Source)}"
    )
    token.add_argument("--subscribe", action="store_true", help="may receive sound and picture")
    token.add_argument(
        "--recordable",
        action="store_true",
        help="for an encoder: whoever it shows agreed to be recorded",
    )
    token.add_argument("--create", action="store_true", help="makes the room on first use")
    token.add_argument(
        "--city", metavar="C", default="", help="where they are: guangzhou, san-francisco, tokyo …"
    )
    token.add_argument(
        "--ttl", metavar="T", default="6h", help="how long it lives: 30m, 6h, 7d (default: 6h)"
    )
    token.add_argument(
        "--link", action="store_true", help="print the link to open instead of the bare token"
    )
    token.set_defaults(command=_token, usage_error=token.error)

    doctor = commands.add_parser(
        "doctor",
        help="check what this node needs, with the next step for what fails",
        description="Check everything a node needs, line by line. Exit code 0 when all is well, 1 otherwise.",
    )
    doctor.set_defaults(command=_doctor)

    settings = commands.add_parser(
        "settings", help="list every setting", description="List every setting."
    )
    settings.add_argument("--markdown", action="store_true", help="as docs/configuration.md")
    settings.set_defaults(command=_settings)

    if importlib.util.find_spec("server.demo.cli") is not None:
        summary = "run a small convention with synthetic people to look at"
        shown = commands.add_parser("demo", help=summary, description=summary.capitalize() + ".")
        if demo:
            from server.demo import cli as demo_cli

            demo_cli.add_arguments(shown)
            shown.set_defaults(command=demo_cli.run)
    return parser


def _serve(parsed: argparse.Namespace) -> int:
    if parsed.check_config:
        settings = config.load(os.environ, keep=False)
        print("The settings are good.")
        for setting in config.SETTINGS:
            value = getattr(settings, setting.name)
            print(f"  {setting.variable} = {_shown(setting, value)}")
        return 0
    import asyncio

    return asyncio.run(_node(config.load(os.environ)))


async def _node(settings: config.Settings) -> int:
    """Run the node: what media workers need loads while the rest of the server does."""
    from server.signalling.nursery import Nursery

    nursery = Nursery()
    try:
        await nursery.begin()
        gc.disable()
        from server import logs

        logs.configure(settings)
        from server.app import StartError, serve

        gc.freeze()  # what has been imported stays: no collection need look at it, now or later
        gc.enable()
        try:
            await serve(settings, nursery)
        except StartError as error:
            print(f"Yunhai cannot start: {error}", file=sys.stderr)
            return error.exit_code
    finally:
        await nursery.close()
    return 0


def _token(parsed: argparse.Namespace) -> int:
    from server import tokens

    settings = config.load(os.environ)
    try:
        token = tokens.mint(
            settings,
            identity=parsed.identity or _identity(parsed.name),
            name=parsed.name,
            role=Role(parsed.role),
            room=parsed.room,
            any_room=parsed.any_room,
            create=parsed.create or parsed.any_room,
            publish=parsed.publish,
            sources=_sources(parsed.sources),
            subscribe=parsed.subscribe,
            city=parsed.city,
            recordable=parsed.recordable,
            ttl_s=_seconds(parsed.ttl),
        )
    except ValueError as error:
        parsed.usage_error(str(error))
    if parsed.link:
        goal = f"?next=/rooms/{parsed.room}" if parsed.room else ""
        print(f"{settings.public_url}/enter{goal}#token={token}")
    else:
        print(token)
    return 0


def _doctor(_: argparse.Namespace) -> int:
    import asyncio

    from server import logs
    from server.doctor import examine

    logs.hush()  # the checks say what is wrong themselves
    return asyncio.run(examine(os.environ))


def _settings(parsed: argparse.Namespace) -> int:
    print(config.markdown() if parsed.markdown else _settings_text(), end="")
    return 0


def _settings_text() -> str:
    lines = ["settings, from the environment (or NAME_FILE, a file that holds the value):\n"]
    for setting in config.SETTINGS:
        lines.append(f"  {setting.variable} ({setting.kind}; default: {setting.default})")
        lines += textwrap.wrap(
            setting.sentence, 90, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines) + "\n"


def _shown(setting: config.Setting, value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if value is None:
        return setting.default
    if setting.name.endswith("_url"):
        return config.masked(str(value))
    return "***" if setting.secret else str(value)


def _identity(name: str) -> str:
    """Spell an identity from a name: two people called Guest are two people."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{slug or 'guest'}-{secrets.token_hex(4)}"


def _sources(text: str | None) -> frozenset[Source] | None:
    if text is None:
        return None
    try:
        return frozenset(Source(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--sources: choose among {', '.join(Source)}") from None


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,7})([smhd])", text)
    if match is None:
        raise ValueError(f"--ttl {text!r}: write a number and s, m, h or d, such as 6h")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]
