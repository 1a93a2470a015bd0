// Where pictures go: how many columns fill an area best, who is shown large, who is shown at all.
// Pure: sizes and people in, numbers out.

import type { Live, Participant, Track } from "./wire";

export interface Grid {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

/** Fit `count` tiles of one shape into an area so that each is as large as can be. */
export function fitGrid(count: number, areaWidth: number, areaHeight: number, ratio = 16 / 9, gap = 8): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(Math.max(1, count) / columns);
    const free = { width: (areaWidth - gap * (columns - 1)) / columns, height: (areaHeight - gap * (rows - 1)) / rows };
    const width = Math.floor(Math.max(0, Math.min(free.width, free.height * ratio)));
    if (width > best.width) best = { columns, rows, width, height: Math.floor(width / ratio) };
  }
  return best;
}

/** Tiles on one page of the grid. */
export const PAGE = { wide: 24, narrow: 8 };

/** Rooms up to this many show everybody, not only those who can be seen or heard. */
export const SMALL_ROOM = 12;

export interface Shown {
  person: Participant;
  camera: Track | undefined;
  screen: Track | undefined;
  microphone: Track | undefined;
}

/** Everybody worth a tile: who publishes, and in a small room all; loud and visible people first, else by arrival. */
export function shownPeople(live: Live, recentSpeakers: readonly string[] = []): Shown[] {
  const bySource = new Map<string, Track>();
  const publishers = new Set<string>();
  for (const track of Object.values(live.tracks)) {
    bySource.set(`${track.source} ${track.identity}`, track);
    publishers.add(track.identity);
  }
  const people = Object.values(live.participants);
  const small = people.length <= SMALL_ROOM;
  const rank = (person: Participant): number => {
    if (person.identity === live.stage) return -2;
    const spoke = recentSpeakers.indexOf(person.identity);
    if (spoke >= 0 && !small) return -1;
    const camera = bySource.get(`camera ${person.identity}`);
    if (camera && !camera.muted) return 0;
    return publishers.has(person.identity) ? 1 : 2;
  };
  return people
    .filter((person) => small || publishers.has(person.identity) || person.identity === live.stage)
    .sort((a, b) => rank(a) - rank(b) || a.joined_ms - b.joined_ms || (a.identity < b.identity ? -1 : 1))
    .map((person) => ({
      person,
      camera: bySource.get(`camera ${person.identity}`),
      screen: bySource.get(`screen ${person.identity}`),
      microphone: bySource.get(`microphone ${person.identity}`),
    }));
}

export interface Featured {
  identity: string;
  source: "camera" | "screen";
}

/**
 * Who is shown large: what the viewer pinned, else a shared screen, else the person on stage,
 * else who spoke last, else the first other person, else the viewer.
 */
export function featured(live: Live, me: string, pinned: Featured | null, recentSpeakers: readonly string[]): Featured | null {
  if (pinned && live.participants[pinned.identity]) {
    const still = pinned.source === "camera" || Object.values(live.tracks).some((t) => t.identity === pinned.identity && t.source === "screen");
    if (still) return pinned;
  }
  const screens = Object.values(live.tracks).filter((track) => track.source === "screen" && !track.muted);
  const screen = screens.find((track) => track.identity === live.stage) ?? screens.at(-1);
  if (screen) return { identity: screen.identity, source: "screen" };
  if (live.stage && live.participants[live.stage]) return { identity: live.stage, source: "camera" };
  const spoke = recentSpeakers.find((identity) => identity !== me && live.participants[identity]);
  if (spoke) return { identity: spoke, source: "camera" };
  const first = shownPeople(live).find(({ person }) => person.identity !== me) ?? shownPeople(live)[0];
  return first ? { identity: first.person.identity, source: "camera" } : null;
}
