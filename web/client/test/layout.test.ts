import { describe, expect, it } from "vitest";
import { featured, fitGrid, shownPeople, SMALL_ROOM } from "../src/layout";
import { initials } from "../src/room/tile";
import type { Live, Participant, Source, Track } from "../src/wire";

function person(identity: string, joined_ms: number, changes: Partial<Participant> = {}): Participant {
  return { identity, name: identity, role: "member", city: "", joined_ms, hand_ms: null, floor: false, synthetic: false, recording_consent: null, ...changes };
}
function track(identity: string, source: Source, changes: Partial<Track> = {}): Track {
  return { id: `${identity}-${source}`, identity, source, kind: source === "microphone" ? "audio" : "video", codec: "", muted: false, forced: false, ...changes };
}
function room(people: Participant[], tracks: Track[] = [], stage: string | null = null): Live {
  return {
    room: { id: "r", kind: "hall", names: {}, city: "", zone: "UTC", created_ms: 0 },
    participants: Object.fromEntries(people.map((each) => [each.identity, each])),
    tracks: Object.fromEntries(tracks.map((each) => [each.id, each])),
    stage,
    recording: null,
    messages: [],
  };
}

describe("fitGrid", () => {
  it.each([
    [1, 1280, 720, 1, 1],
    [2, 1280, 720, 2, 1],
    [2, 360, 640, 1, 2],
    [4, 1280, 720, 2, 2],
    [5, 1280, 720, 3, 2],
    [9, 1280, 720, 3, 3],
    [24, 1440, 800, 5, 5],
  ])("puts %i tiles into %i×%i as %i columns, %i rows", (count, width, height, columns, rows) => {
    expect(fitGrid(count, width, height)).toMatchObject({ columns, rows });
  });

  it("never overflows its area and never overlaps", () => {
    for (let count = 1; count <= 30; count += 1) {
      for (const [width, height] of [[320, 480], [360, 200], [1440, 800], [800, 1400], [50, 50]] as const) {
        const grid = fitGrid(count, width, height);
        expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
        if (grid.width === 0) continue;
        expect(grid.columns * grid.width + (grid.columns - 1) * 8).toBeLessThanOrEqual(width);
        expect(grid.rows * grid.height + (grid.rows - 1) * 8).toBeLessThanOrEqual(height);
      }
    }
  });

  it("survives an empty or hidden area", () => {
    expect(fitGrid(0, 0, 0)).toMatchObject({ width: 0, height: 0 });
    expect(fitGrid(4, 0, 300).width).toBe(0);
  });
});

describe("shownPeople", () => {
  it("shows everybody in a small room, seen people first, then by arrival", () => {
    const live = room([person("late", 3), person("seen", 9), person("early", 1)], [track("seen", "camera")]);
    expect(shownPeople(live).map((each) => each.person.identity)).toEqual(["seen", "early", "late"]);
  });

  it("shows only who publishes, and the stage, in a large room", () => {
    const crowd = Array.from({ length: SMALL_ROOM + 5 }, (_, index) => person(`p${index}`, index));
    const live = room(crowd, [track("p7", "microphone"), track("p3", "camera", { muted: true })], "p9");
    expect(shownPeople(live).map((each) => each.person.identity)).toEqual(["p9", "p3", "p7"]);
  });

  it("keeps tiles in place while people speak in a small room", () => {
    const live = room([person("a", 1), person("b", 2)]);
    expect(shownPeople(live, ["b"]).map((each) => each.person.identity)).toEqual(["a", "b"]);
  });
});

describe("featured", () => {
  const people = [person("me", 0), person("ann", 1), person("bo", 2)];

  it("prefers a pin, then a screen, then the stage, then who spoke", () => {
    const live = room(people, [track("bo", "screen")], "ann");
    expect(featured(live, "me", { identity: "me", source: "camera" }, [])).toEqual({ identity: "me", source: "camera" });
    expect(featured(live, "me", null, [])).toEqual({ identity: "bo", source: "screen" });
    expect(featured(room(people, [], "ann"), "me", null, ["bo"])).toEqual({ identity: "ann", source: "camera" });
    expect(featured(room(people), "me", null, ["me", "bo"])).toEqual({ identity: "bo", source: "camera" });
    expect(featured(room(people), "me", null, [])).toEqual({ identity: "ann", source: "camera" });
    expect(featured(room([people[0]!]), "me", null, [])).toEqual({ identity: "me", source: "camera" });
    expect(featured(room([]), "me", null, [])).toBeNull();
  });

  it("drops a pin on a person who left or a screen that ended", () => {
    const live = room(people, [], "ann");
    expect(featured(live, "me", { identity: "gone", source: "camera" }, [])).toEqual({ identity: "ann", source: "camera" });
    expect(featured(live, "me", { identity: "bo", source: "screen" }, [])).toEqual({ identity: "ann", source: "camera" });
  });
});

describe("initials", () => {
  it.each([
    ["Ann Lee", "AL"],
    ["Ann", "A"],
    ["Mary Jane van der Berg", "MB"],
    ["林可", "林可"],
    ["欧阳娜娜 Ouyang Nana", "娜娜"],
    ["佐藤 美咲", "佐藤"],
    ["Moderator 主持人", "M"],
    ["Talent 人才", "T"],
    ["", "?"],
    ["😀 Joy", "😀J"],
  ])("of %j are %j", (name, shown) => expect(initials(name)).toBe(shown));
});
