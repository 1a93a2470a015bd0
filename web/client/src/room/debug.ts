// window.yunhai: a handle for tests and support. Reads; changes nothing.

import { read, wayOf, type Way } from "../readings";
import type { Session } from "./session";

export interface Summary {
  link: string;
  node: string;
  publisher: { state: string; sent: { source: string; rid: string; packets: number; bytes: number; width: number; height: number }[] };
  subscriber: { state: string; video: { track: string; identity: string; source: string; framesDecoded: number; width: number; height: number; freezes: number }[]; audio: { track: string; identity: string; energy: number; samples: number; packets: number }[] };
  path: Way | null;
}

async function stats(session: Session): Promise<Summary> {
  const { publisher, subscriber } = session.media;
  const live = session.connection.live.value;
  const [sent, received] = await Promise.all([read(publisher.pc), read(subscriber.pc)]);
  const ids = new Map([...subscriber.received.value].map(([id, track]) => [track.id, id]));
  const inbound = received
    .filter(({ type }) => type === "inbound-rtp")
    .map((stat) => {
      const track = ids.get(String(stat["trackIdentifier"])) ?? "";
      return { stat, track, identity: live?.tracks[track]?.identity ?? "", source: live?.tracks[track]?.source ?? "" };
    });
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  const sources = new Map((publisher.pc?.getSenders() ?? []).flatMap(({ track }) => (track ? [[track.id, track.kind] as const] : [])));
  const medias = new Map(sent.filter(({ type }) => type === "media-source").map((stat) => [stat.id, String(stat["trackIdentifier"])]));
  return {
    link: session.connection.link.value,
    node: session.connection.node.value,
    publisher: {
      state: publisher.state.value,
      sent: sent.filter(({ type }) => type === "outbound-rtp").map((stat) => ({
        source: sources.get(medias.get(String(stat["mediaSourceId"])) ?? "") ?? String(stat["kind"]),
        rid: String(stat["rid"] ?? ""),
        packets: number(stat["packetsSent"]),
        bytes: number(stat["bytesSent"]),
        width: number(stat["frameWidth"]),
        height: number(stat["frameHeight"]),
      })),
    },
    subscriber: {
      state: subscriber.state.value,
      video: inbound.filter(({ stat }) => stat["kind"] === "video").map(({ stat, track, identity, source }) => ({
        track, identity, source,
        framesDecoded: number(stat["framesDecoded"]),
        width: number(stat["frameWidth"]),
        height: number(stat["frameHeight"]),
        freezes: number(stat["freezeCount"]),
      })),
      audio: inbound.filter(({ stat }) => stat["kind"] === "audio").map(({ stat, track, identity }) => ({
        track, identity,
        energy: number(stat["totalAudioEnergy"]),
        samples: number(stat["totalSamplesReceived"]),
        packets: number(stat["packetsReceived"]),
      })),
    },
    path: wayOf(received) ?? wayOf(sent),
  };
}

declare global {
  interface Window {
    yunhai?: unknown;
  }
}

export function expose(session: Session): void {
  window.yunhai = {
    session,
    get publisher() { return session.media.publisher.pc; },
    get subscriber() { return session.media.subscriber.pc; },
    get link() { return session.connection.link.value; },
    get ending() { return session.connection.ending.value; },
    get live() { return session.connection.live.value; },
    get me() { return session.connection.me.value; },
    get messages() { return session.messages.value; },
    get unread() { return session.unread.value; },
    view: () => session.media.view.wish(),
    stats: () => stats(session),
  };
}
