// What getStats() and the server tell of both peer connections, as figures a person can read: rates
// and losses are between two snapshots. Pure: asks nobody and keeps nothing.

import type { ConnectionStats, Live, Source } from "./wire";

export type Stat = Record<string, unknown> & { type: string; id: string };

export interface Snapshot {
  at_ms: number;
  sent: Stat[];
  received: Stat[];
  server: ConnectionStats | null;
}

/** How sound and picture travel. `protocol`: towards the relay if there is one. */
export interface Way {
  protocol: string;
  relayed: boolean;
  family: "IPv4" | "IPv6" | "";
  rtt_ms: number | null;
}

/** One encoding on its way up; `server_bps`: what arrives there. */
export interface Sent {
  track: string;
  source: Source;
  rid: string;
  width: number;
  height: number;
  fps: number;
  bps: number;
  limited: string;
  server_bps: number | null;
}

/** One track that comes down. `layer`, `fitting`, `reason`, `server_bps`: as the server sees it. */
export interface Received {
  track: string;
  identity: string;
  source: Source | "";
  kind: string;
  width: number;
  height: number;
  fps: number;
  bps: number;
  loss: number | null;
  jitter_ms: number;
  freezes: number;
  layer: string | null;
  fitting: string | null;
  reason: string;
  server_bps: number | null;
}

/** Losses are shares from 0 to 1, null where nothing passed. `up.server_loss`: before repair. */
export interface Reading {
  at_ms: number;
  way: Way | null;
  up: { bps: number; loss: number | null; server_loss: number | null; server_rtt_ms: number | null };
  down: { bps: number; loss: number | null; server_loss: number | null; server_rtt_ms: number | null; estimate_bps: number | null };
  sent: Sent[];
  received: Received[];
}

/** What the statistics do not know: whose is what. */
export interface Names {
  live: Live | null;
  /** What is sent, by mid. */
  sources: ReadonlyMap<string, { source: Source; track: string }>;
  /** The server's id of a received track, by the browser's. */
  tracks: ReadonlyMap<string, string>;
}

const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const ms = (seconds: number | null | undefined): number | null => (typeof seconds === "number" ? Math.round(seconds * 1000) : null);

export async function read(pc: RTCPeerConnection | null): Promise<Stat[]> {
  return pc ? [...((await pc.getStats()) as unknown as Map<string, Stat>).values()] : [];
}

/** The chosen pair of candidates of a connection. */
export function wayOf(stats: readonly Stat[]): Way | null {
  const transport = stats.find(({ type }) => type === "transport");
  const pair = stats.find(({ id }) => id === transport?.["selectedCandidatePairId"]) ?? stats.find((each) => each.type === "candidate-pair" && each["nominated"] === true && each["state"] === "succeeded");
  if (!pair) return null;
  const local = stats.find(({ id }) => id === pair["localCandidateId"]);
  const remote = stats.find(({ id }) => id === pair["remoteCandidateId"]);
  const address = String(remote?.["address"] ?? remote?.["ip"] ?? "");
  const rtt = pair["currentRoundTripTime"];
  return {
    protocol: String(local?.["relayProtocol"] ?? local?.["protocol"] ?? "udp"),
    relayed: local?.["candidateType"] === "relay",
    family: address.includes(":") ? "IPv6" : address ? "IPv4" : "",
    rtt_ms: typeof rtt === "number" ? ms(rtt) : null,
  };
}

/** Read two snapshots, the earlier first. */
export function between(before: Snapshot, now: Snapshot, names: Names): Reading {
  const elapsed_s = Math.max((now.at_ms - before.at_ms) / 1000, 0.001);
  const earlier = new Map([...before.sent, ...before.received].map((stat) => [stat.id, stat]));
  const grown = (stat: Stat, field: string): number => {
    const first = earlier.get(stat.id);
    return first ? Math.max(0, number(stat[field]) - number(first[field])) : 0;
  };
  const bps = (stat: Stat, field: string): number => Math.round((grown(stat, field) * 8) / elapsed_s);
  const server = now.server;
  const sent = now.sent.filter(({ type }) => type === "outbound-rtp").flatMap((stat): Sent[] => {
    const known = names.sources.get(String(stat["mid"]));
    if (!known) return [];
    const rid = String(stat["rid"] ?? "");
    return [{
      ...known, rid,
      width: number(stat["frameWidth"]), height: number(stat["frameHeight"]), fps: Math.round(number(stat["framesPerSecond"])),
      // What is sent again fills the path when the browser tries what it carries: no picture comes of it.
      bps: Math.max(0, bps(stat, "bytesSent") - bps(stat, "retransmittedBytesSent")),
      limited: String(stat["qualityLimitationReason"] ?? "none"),
      server_bps: server?.publisher?.tracks[known.track]?.layers[rid]?.bps ?? null,
    }];
  });
  sent.sort((one, other) => one.width - other.width);
  let lost = 0;
  let expected = 0;
  const received = now.received.filter(({ type }) => type === "inbound-rtp").map((stat): Received => {
    const track = names.tracks.get(String(stat["trackIdentifier"])) ?? "";
    const owner = names.live?.tracks[track];
    const down = server?.subscriber?.tracks.find((each) => each.track === track);
    const missed = grown(stat, "packetsLost");
    const due = missed + grown(stat, "packetsReceived");
    lost += missed;
    expected += due;
    return {
      track, identity: owner?.identity ?? "", source: owner?.source ?? "", kind: String(stat["kind"]),
      width: number(stat["frameWidth"]), height: number(stat["frameHeight"]), fps: Math.round(number(stat["framesPerSecond"])),
      bps: bps(stat, "bytesReceived"),
      loss: due > 0 ? missed / due : null,
      jitter_ms: Math.round(number(stat["jitter"]) * 1000),
      freezes: number(stat["freezeCount"]),
      layer: down?.sent ?? null, fitting: down?.fitting ?? null, reason: down?.reason ?? "", server_bps: down?.bps ?? null,
    };
  });
  const told = now.sent.filter(({ type }) => type === "remote-inbound-rtp").map((stat) => number(stat["fractionLost"]));
  const losses = (server?.subscriber?.tracks ?? []).flatMap(({ loss, bps: rate }) => (loss !== null && rate > 0 ? [loss] : []));
  const way = wayOf(now.received) ?? wayOf(now.sent);
  const family = server?.subscriber?.route?.family ?? server?.publisher?.route?.family;
  return {
    at_ms: now.at_ms,
    way: way && { ...way, family: (!way.relayed && family) || way.family },
    up: {
      bps: sent.reduce((sum, each) => sum + each.bps, 0),
      loss: told.length > 0 ? Math.max(...told) : null,
      server_loss: upLoss(before.server, server),
      server_rtt_ms: ms(server?.publisher?.rtt_s),
    },
    down: {
      bps: received.reduce((sum, each) => sum + each.bps, 0),
      loss: expected > 0 ? lost / expected : null,
      server_loss: losses.length > 0 ? Math.max(...losses) : null,
      server_rtt_ms: ms(server?.subscriber?.rtt_s),
      estimate_bps: server?.subscriber?.estimate_bps ?? null,
    },
    sent,
    received,
  };
}

/** What was lost on the way up between two answers of the server, whether repaired or not. */
function upLoss(before: ConnectionStats | null, now: ConnectionStats | null): number | null {
  let missed = 0;
  let due = 0;
  for (const [id, track] of Object.entries(now?.publisher?.tracks ?? {})) {
    for (const [rid, layer] of Object.entries(track.layers)) {
      const first = before?.publisher?.tracks[id]?.layers[rid];
      // A layer that began anew counts from none.
      if (!first || layer.packets < first.packets) continue;
      const lost = layer.lost - first.lost;
      due += layer.packets - first.packets + lost;
      missed += lost + layer.repaired - first.repaired;
    }
  }
  return due > 0 ? Math.min(1, Math.max(0, missed / due)) : null;
}
