// The report for support: what both sides measured, and ids to find it by. No names, no addresses,
// nothing that was said.

import type { Reading, Snapshot, Stat } from "./readings";

/** Kinds of statistics worth a supporter's time. */
const KINDS = new Set(["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "remote-outbound-rtp", "candidate-pair", "transport", "local-candidate", "remote-candidate", "codec"]);

/** Fields that tell where somebody is, or what could open a connection. */
const PRIVATE = new Set([
  "address", "ip", "port", "relatedAddress", "relatedPort", "url", "usernameFragment", "foundation", "iceLocalUsernameFragment", "networkType", "vpn",
]);

export interface Facts {
  session: string;
  room: string;
  node: string;
  status: string;
  mode: string;
  publisher: string;
  subscriber: string;
}

export function report(facts: Facts, readings: readonly Reading[], latest: Snapshot | null): string {
  const server = latest?.server;
  return JSON.stringify({
    report: "yunhai connection",
    version: 1,
    made: new Date().toISOString(),
    ...facts,
    client: clientVersion(),
    protocol: 1,
    browser: navigator.userAgent,
    sends: stats(latest?.sent ?? []),
    receives: stats(latest?.received ?? []),
    server: server ? { ...server, identity: undefined } : null,
    history: readings.map((reading) => ({ ...reading, received: reading.received.map((each) => ({ ...each, identity: undefined })) })),
  }, null, 1);
}

function stats(all: readonly Stat[]): object[] {
  return all.filter(({ type }) => KINDS.has(type)).map((stat) => {
    const address = String(stat["address"] ?? stat["ip"] ?? "");
    const open = Object.fromEntries(Object.entries(stat).filter(([field]) => !PRIVATE.has(field)));
    return address ? { ...open, family: address.includes(":") ? "IPv6" : address.endsWith(".local") ? "mDNS" : "IPv4" } : open;
  });
}

/** The page's script, whose name changes with every build. */
function clientVersion(): string {
  return [...document.scripts].map(({ src }) => src.split("/").at(-1) ?? "").find((name) => name.startsWith("room")) ?? "";
}
