import { describe, expect, it } from "vitest";
import { findings, percent, rate } from "../src/findings";
import type { Reading, Received } from "../src/readings";

const good: Reading = {
  at_ms: 0,
  way: { protocol: "udp", relayed: false, family: "IPv4", rtt_ms: 40 },
  up: { bps: 800_000, loss: 0, server_loss: 0, server_rtt_ms: 41 },
  down: { bps: 900_000, loss: 0, server_loss: 0, server_rtt_ms: 41, estimate_bps: 2_000_000 },
  sent: [{ track: "t_1", source: "camera", rid: "h", width: 640, height: 360, fps: 25, bps: 800_000, limited: "none", server_bps: 790_000 }],
  received: [],
};
const ben: Received = { track: "t_2", identity: "ben", source: "camera", kind: "video", width: 320, height: 180, fps: 15, bps: 200_000, loss: 0, jitter_ms: 5, freezes: 0, layer: "q", fitting: "f", reason: "", server_bps: 200_000 };
const seconds = (reading: Partial<Reading>, count = 10): Reading[] => Array.from({ length: count }, (_, at) => ({ ...good, ...reading, at_ms: at * 1000 }));
const said = (reading: Partial<Reading>, paused = 0) => findings(seconds(reading), paused).map(({ text }) => text);

describe("findings", () => {
  it("a good connection is called good, and nothing else", () => {
    expect(findings(seconds({}), 0)).toEqual([{ tone: "good", text: "Your connection is good." }]);
  });

  it("a loss on the way up is what others suffer, and counts though it was repaired", () => {
    expect(said({ up: { ...good.up, loss: 0, server_loss: 0.04 } })).toEqual(["Others may see you blurred or hear gaps: your upload loses 4%."]);
  });

  it("a single bad second among ten is no news", () => {
    const readings = seconds({});
    readings[5] = { ...readings[5]!, down: { ...good.down, loss: 0.1 } };
    expect(findings(readings, 0)).toHaveLength(1);
    expect(findings(readings, 0)[0]!.tone).toBe("good");
  });

  it("what is long ago is forgotten", () => {
    const bad = seconds({ down: { ...good.down, loss: 0.3 } });
    const since = seconds({}, 11).map((reading) => ({ ...reading, at_ms: reading.at_ms + 60_000 }));
    expect(findings([...bad, ...since], 0)[0]!.tone).toBe("good");
  });

  it("paused and reduced pictures have their cause and its size", () => {
    const narrow = { ...good.down, estimate_bps: 310_000 };
    expect(said({ down: narrow }, 2)).toEqual(["Some pictures are paused because your download carries only 310 kbit/s."]);
    expect(said({ down: narrow, received: [ben] })).toEqual(["Pictures are reduced because your download carries only 310 kbit/s."]);
    expect(said({ received: [{ ...ben, fitting: "q" }] })).toEqual(["Your connection is good."]);
  });

  it("a busy device and a narrow upload are told apart", () => {
    const limited = (reason: string) => said({ sent: [{ ...good.sent[0]!, limited: reason }] })[0];
    expect(limited("cpu")).toContain("device is busy");
    expect(limited("bandwidth")).toContain("upload is narrow");
  });

  it("a camera that begins small is no trouble", () => {
    const small = [{ ...good.sent[0]!, limited: "bandwidth" }];
    expect(findings(seconds({ sent: small }, 5), 0)[0]!.tone).toBe("good");
    const grown = [...seconds({ sent: small }, 9), { ...good, at_ms: 9_000 }];
    expect(findings(grown, 0)[0]!.tone).toBe("good");
  });

  it("a long way and a detour are told", () => {
    expect(said({ way: { ...good.way!, rtt_ms: 420 } })).toEqual(["Answers come late: a round trip takes 420 ms."]);
    expect(said({ way: { ...good.way!, protocol: "tcp" } })).toHaveLength(2);
    expect(said({ way: { ...good.way!, relayed: true } })[1]).toContain("relay");
  });

  it("without any way or figure it does not promise anything", () => {
    expect(said({ way: null })).toEqual(["No sound or picture passes just now."]);
    expect(findings([], 0)).toEqual([{ tone: "note", text: "Nothing is measured yet." }]);
  });

  it("figures are rounded as people read them", () => {
    expect([percent(0.043), percent(0.43), rate(48_200), rate(1_250_000), rate(24_000_000)]).toEqual(["4.3%", "43%", "48 kbit/s", "1.3 Mbit/s", "24 Mbit/s"]);
  });
});
