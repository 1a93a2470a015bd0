"""Who speaks in a room, as this node's workers heard it, each of its own tracks. Pure."""

from __future__ import annotations

from media import rpc


class Speakers:
    """What each worker said last. Owner: Peers."""

    def __init__(self) -> None:
        self._heard: dict[str, dict[int, list[str]]] = {}

    def take(self, worker: int, notice: rpc.SpeakersNotice) -> None:
        """Note what a worker says of a room."""
        by_worker = self._heard.setdefault(notice.room, {})
        by_worker.pop(worker, None)
        if notice.tracks:
            by_worker[worker] = notice.tracks
        elif not by_worker:
            del self._heard[notice.room]

    def forget(self, worker: int) -> list[str]:
        """Forget a worker that is gone; return the rooms it spoke of."""
        rooms = [room for room, by_worker in self._heard.items() if worker in by_worker]
        for room in rooms:
            self.take(worker, rpc.SpeakersNotice(room=room, tracks=[]))
        return rooms

    def of(self, room: str) -> list[str]:
        """List the tracks that speak: the loudest of each worker first, then the second ones.

        Levels of one worker do not compare with another's, who hears other tracks.
        """
        heard = list(self._heard.get(room, {}).values())
        longest = max(map(len, heard), default=0)
        return list(
            dict.fromkeys(
                tracks[rank] for rank in range(longest) for tracks in heard if rank < len(tracks)
            )
        )
