import { describe, expect, it } from "vitest";
import type { Reading, Snapshot } from "../src/readings";
import { report } from "../src/report";

const facts = { session: "s_1", room: "hall-1", node: "gz", status: "connected", mode: "everything", publisher: "connected", subscriber: "connected" };
const reading = { at_ms: 1, received: [{ track: "t_ben", identity: "ben.okafor", bps: 5 }] } as unknown as Reading;
const latest: Snapshot = {
  at_ms: 1,
  sent: [
    { type: "local-candidate", id: "l", candidateType: "host", protocol: "udp", address: "203.0.113.77", ip: "203.0.113.77", port: 50_123, usernameFragment: "ufragA", foundation: "99887766", relatedAddress: "10.1.2.3", relatedPort: 40_404 },
    { type: "remote-candidate", id: "r", candidateType: "relay", address: "2001:db8::77", url: "turn:secret.example" },
    { type: "media-source", id: "m", trackIdentifier: "label" },
  ],
  received: [{ type: "inbound-rtp", id: "i", packetsLost: 4 }],
  server: { session: "s_1", identity: "anna.lee", kind: "socket", node: "gz", at_ms: 1, workers: [0], publisher: null, subscriber: null },
};

describe("report", () => {
  const text = report(facts, [reading], latest);

  it("holds no name and no address", () => {
    for (const secret of ["203.0.113", "2001:db8", "50123", "10.1.2.3", "40404", "ufragA", "99887766", "secret.example", "ben.okafor", "anna.lee"]) {
      expect(text).not.toContain(secret);
    }
  });

  it("holds ids, kinds of candidates, figures of both sides and the past", () => {
    const told = JSON.parse(text);
    expect(told).toMatchObject({ session: "s_1", room: "hall-1", node: "gz", server: { session: "s_1" } });
    expect(told.sends.map((stat: { family: string }) => stat.family)).toEqual(["IPv4", "IPv6"]);
    expect(told.sends[0].candidateType).toBe("host");
    expect(told.receives[0].packetsLost).toBe(4);
    expect(told.history[0].received[0]).toEqual({ track: "t_ben", bps: 5 });
    expect(told.browser).toBe(navigator.userAgent);
  });

  it("can be made before anything was measured", () => {
    expect(JSON.parse(report(facts, [], null))).toMatchObject({ history: [], server: null });
  });
});
