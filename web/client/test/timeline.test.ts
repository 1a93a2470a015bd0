import { beforeEach, describe, expect, it, vi } from "vitest";
import { Timeline, type TimelineHost } from "../src/timeline";
import type { Envelope, Live, Snapshot } from "../src/wire";

const live: Live = {
  room: { id: "hall", kind: "hall", names: { en: "Hall" }, city: "", zone: "UTC", created_ms: 0 },
  participants: { ann: { identity: "ann", name: "Ann", role: "member", city: "", joined_ms: 0, hand_ms: null, floor: false, synthetic: false, recording_consent: null } },
  tracks: {},
  recording: null,
  stage: null,
  messages: [],
};

function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return { me: { identity: "ann", session: "s", media: "m", name: "Ann", role: "member", rights: [] }, epoch: "e", seq: 10, now_ms: 0, resumed: false, live, missed: [], nodes: [], ...changes };
}

/** Event `seq` raises Ann's hand at that moment, so the state tells which came last. */
function event(seq: number, epoch = "e"): Envelope {
  return { epoch, seq, name: "hand.raised", data: { identity: "ann", at_ms: seq } };
}

describe("Timeline", () => {
  let applied: number[];
  let host: { after: ReturnType<typeof vi.fn<TimelineHost["after"]>>; rejoin: ReturnType<typeof vi.fn<TimelineHost["rejoin"]>>; applied: TimelineHost["applied"] };
  let timeline: Timeline;

  beforeEach(() => {
    applied = [];
    host = { after: vi.fn<TimelineHost["after"]>(), rejoin: vi.fn<TimelineHost["rejoin"]>(), applied: (_, { seq }) => applied.push(seq) };
    timeline = new Timeline(host);
  });

  it("applies the next event and ignores repeats", () => {
    timeline.start(snapshot());
    for (const seq of [9, 10, 11, 11, 12, 10]) timeline.receive(event(seq));
    expect(applied).toEqual([11, 12]);
    expect(timeline.live!.participants["ann"]!.hand_ms).toBe(12);
  });

  it("holds events that arrive before the snapshot", () => {
    timeline.receive(event(11));
    timeline.receive(event(10));
    timeline.receive(event(12));
    timeline.start(snapshot());
    expect(applied).toEqual([11, 12]);
  });

  it("lets go of held events of an old epoch when the snapshot brings a new one", () => {
    timeline.receive(event(99, "old"));
    timeline.receive(event(11));
    timeline.start(snapshot());
    expect(host.rejoin).not.toHaveBeenCalled();
    expect(applied).toEqual([11]);
  });

  it("asks once for what a gap missed and then goes on in order", async () => {
    timeline.start(snapshot());
    let answer!: (missed: Envelope[]) => void;
    host.after.mockReturnValue(new Promise((done) => { answer = done; }));
    timeline.receive(event(14));
    timeline.receive(event(15));
    expect(applied).toEqual([]);
    answer([event(11), event(12), event(13)]);
    await vi.waitFor(() => expect(applied).toEqual([11, 12, 13, 14, 15]));
    expect(host.after).toHaveBeenCalledExactlyOnceWith("e", 10);
    expect(host.rejoin).not.toHaveBeenCalled();
  });

  it("joins anew when the journal no longer reaches back", async () => {
    timeline.start(snapshot());
    host.after.mockRejectedValue(new Error("conflict"));
    timeline.receive(event(99));
    await vi.waitFor(() => expect(host.rejoin).toHaveBeenCalledOnce());
    timeline.receive(event(100));
    timeline.start(snapshot({ epoch: "f", seq: 0 }));
    expect(timeline.seq).toBe(0);
  });

  it("joins anew when the journal answers without the missing event", async () => {
    timeline.start(snapshot());
    host.after.mockResolvedValue([]);
    timeline.receive(event(12));
    await vi.waitFor(() => expect(host.rejoin).toHaveBeenCalledOnce());
    expect(applied).toEqual([]);
  });

  it("joins anew on an event of another epoch", () => {
    timeline.start(snapshot());
    timeline.receive(event(11, "other"));
    expect(host.rejoin).toHaveBeenCalledOnce();
  });

  it("resumes with the missed events only", () => {
    timeline.start(snapshot());
    timeline.receive(event(11));
    timeline.pause();
    timeline.receive(event(14));
    expect(timeline.start(snapshot({ resumed: true, live: null, seq: 13, missed: [event(12), event(13)] }))).toBe(true);
    expect(applied).toEqual([11, 12, 13, 14]);
  });

  it("refuses a resumption it cannot continue", () => {
    expect(timeline.start(snapshot({ resumed: true, live: null }))).toBe(false);
    timeline.start(snapshot());
    expect(timeline.start(snapshot({ resumed: true, live: null, epoch: "f" }))).toBe(false);
  });

  it("takes any order and repetition of the same events to the same state", async () => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
    console.log(`seed ${seed}`);
    let state = seed;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 50; round += 1) {
      const seen: number[] = [];
      const all = Array.from({ length: 20 }, (_, index) => event(11 + index));
      const shuffled = [...all, ...all.filter(() => random() < 0.3)].sort(() => random() - 0.5);
      const line = new Timeline({ after: async (_, seq) => all.filter((each) => each.seq > seq), rejoin: () => { throw new Error("rejoined"); }, applied: (_, { seq }) => seen.push(seq) });
      line.start(snapshot());
      for (const each of shuffled) {
        line.receive(each);
        if (random() < 0.2) await Promise.resolve();
      }
      await vi.waitFor(() => expect(line.seq).toBe(30));
      expect(seen).toEqual(all.map(({ seq }) => seq));
    }
  });
});
