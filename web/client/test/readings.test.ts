import { describe, expect, it } from "vitest";
import { between, wayOf, type Names, type Snapshot, type Stat } from "../src/readings";
import type { ConnectionStats, DownStats, LayerStats, Live } from "../src/wire";

const layer = (packets: number, lost: number, repaired: number): LayerStats => ({
  bps: 450_000, width: 640, height: 360, packets, bytes: packets * 1000, lost, repaired, missing: 0, jitter_s: 0.004, nacked: repaired, keyframes_asked: 1, parts: [],
});

const down = (loss: number): DownStats => ({
  track: "t_ben", mid: "1", kind: "video", codec: "VP8", asked: "h", sent: "h", fitting: "f", spatial: null, temporal: null, reason: "", bps: 400_000, packets: 100, octets: 100_000, repaired: 0, nacked: 0, lost: 3, loss, jitter_s: 0.01, drops: {},
});

const server = (packets: number, lost: number, repaired: number, loss = 0): ConnectionStats => ({
  session: "s_1", identity: "anna", kind: "socket", node: "gz", at_ms: 0, workers: [0],
  publisher: {
    room: "r", state: "connected", srtp: "", route: { protocol: "udp", family: "IPv6" }, rtt_s: 0.05, dropped: {},
    tracks: { t_anna: { room: "r", kind: "video", codec: "VP8", held: false, background: false, outputs: 1, layers: { h: layer(packets, lost, repaired) } } },
  },
  subscriber: { room: "r", state: "connected", generation: 1, route: { protocol: "udp", family: "IPv6" }, rtt_s: 0.06, estimate_bps: 900_000, paused: [], dropped: {}, tracks: [down(loss)] },
});

const sent = (bytes: number, rid = "h"): Stat => ({ type: "outbound-rtp", id: `o${rid}`, mid: "0", rid, bytesSent: bytes, frameWidth: 640, frameHeight: 360, framesPerSecond: 24.9, qualityLimitationReason: "cpu" });
const received = (bytes: number, packets: number, lost: number): Stat => ({ type: "inbound-rtp", id: "i", kind: "video", trackIdentifier: "b-ben", bytesReceived: bytes, packetsReceived: packets, packetsLost: lost, jitter: 0.012, frameWidth: 320, frameHeight: 180, framesPerSecond: 15 });

const names: Names = {
  live: { tracks: { t_ben: { identity: "ben", source: "camera" } } } as unknown as Live,
  sources: new Map([["0", { source: "camera" as const, track: "t_anna" }]]),
  tracks: new Map([["b-ben", "t_ben"]]),
};

const at = (at_ms: number, up: Stat[], downward: Stat[], told: ConnectionStats | null = null): Snapshot => ({ at_ms, sent: up, received: downward, server: told });

describe("readings", () => {
  it("rates and losses are between two snapshots", () => {
    const reading = between(at(0, [sent(1_000)], [received(0, 0, 0)]), at(2_000, [sent(101_000)], [received(250_000, 180, 20)]), names);
    expect(reading.up.bps).toBe(400_000);
    expect(reading.down).toMatchObject({ bps: 1_000_000, loss: 0.1 });
    expect(reading.sent[0]).toMatchObject({ source: "camera", rid: "h", fps: 25, limited: "cpu", server_bps: null });
    expect(reading.received[0]).toMatchObject({ identity: "ben", source: "camera", jitter_ms: 12, layer: null });
  });

  it("the server's loss on the way up counts what was repaired too", () => {
    const reading = between(at(0, [], [], server(100, 0, 0)), at(1_000, [], [], server(198, 2, 3)), names);
    expect(reading.up.server_loss).toBeCloseTo(0.05);
    expect(reading.up.server_rtt_ms).toBe(50);
  });

  it("what the server says stands beside what the browser says", () => {
    const reading = between(at(0, [sent(0)], [received(0, 0, 0)]), at(1_000, [sent(50_000)], [received(50_000, 50, 0)], server(50, 0, 0, 0.25)), names);
    expect(reading.sent[0]!.server_bps).toBe(450_000);
    expect(reading.received[0]).toMatchObject({ layer: "h", fitting: "f", server_bps: 400_000 });
    expect(reading.down).toMatchObject({ server_loss: 0.25, estimate_bps: 900_000, server_rtt_ms: 60 });
  });

  it("a stream or a layer that began anew is no negative rate and no loss", () => {
    const reading = between(at(0, [sent(90_000)], [received(90_000, 90, 9)], server(100, 50, 0)), at(1_000, [sent(10)], [received(10, 1, 0)], server(3, 0, 0)), names);
    expect(reading.up).toMatchObject({ bps: 0, server_loss: null });
    expect(reading.down).toMatchObject({ bps: 0, loss: null });
  });

  it("lines nobody knows are left out of what is sent", () => {
    expect(between(at(0, [], []), at(1, [{ ...sent(5), mid: "9" }], []), names).sent).toEqual([]);
  });
});

describe("the way", () => {
  const pair: Stat = { type: "candidate-pair", id: "p", nominated: true, state: "succeeded", localCandidateId: "l", remoteCandidateId: "r", currentRoundTripTime: 0.0421 };

  it("is the chosen pair's, through a relay or not", () => {
    const remote: Stat = { type: "remote-candidate", id: "r", address: "2001:db8::1" };
    expect(wayOf([pair, { type: "local-candidate", id: "l", candidateType: "host", protocol: "tcp" }, remote])).toEqual({ protocol: "tcp", relayed: false, family: "IPv6", rtt_ms: 42 });
    expect(wayOf([pair, { type: "local-candidate", id: "l", candidateType: "relay", protocol: "udp", relayProtocol: "tls" }, { ...remote, address: "198.51.100.1" }])).toMatchObject({ protocol: "tls", relayed: true, family: "IPv4" });
  });

  it("is unknown before there is one", () => {
    expect(wayOf([{ ...pair, nominated: false }])).toBeNull();
  });
});
