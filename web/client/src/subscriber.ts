// The connection from the server: answers its offers one after another, keeps which received
// track is whose, and comes back by itself. Owns the RTCPeerConnection.

import { signal } from "@preact/signals";
import { Recovery } from "./recovery";
import type { Relays } from "./relays";
import type { Server } from "./publisher";
import type { MediaOffer } from "./wire";

export class Subscriber {
  readonly state = signal<RTCPeerConnectionState | "none">("none");
  /** What is received, by the server's track id. */
  readonly received = signal<ReadonlyMap<string, MediaStreamTrack>>(new Map());
  pc: RTCPeerConnection | null = null;
  #generation = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #recovery = new Recovery(async (step) => {
    await this.server.call("media.restart", { anew: step === "anew" });
  });

  constructor(
    private readonly server: Server,
    private readonly relays: Relays,
  ) {}

  /** Take an offer; older generations than one seen are ignored. */
  offered(offer: MediaOffer): Promise<void> {
    const turn = this.#queue.then(() => this.#answer(offer));
    this.#queue = turn.catch(() => {
      // An offer this connection cannot take: only a new connection will do.
      if (offer.generation === this.#generation) void this.server.call("media.restart", { anew: true }).catch(() => {});
    });
    return turn;
  }

  /** The session is a new one: its offers start again. */
  renew(): void {
    this.#generation = 0;
    this.#dispose();
  }

  failed(): void {
    this.#recovery.report("failed");
  }

  online(online: boolean): void {
    this.#recovery.online(online);
  }

  close(): void {
    this.#dispose();
  }

  #dispose(): void {
    this.#recovery.reset();
    this.pc?.close();
    this.pc = null;
    this.received.value = new Map();
    this.state.value = "none";
  }

  async #answer(offer: MediaOffer): Promise<void> {
    if (offer.generation <= this.#generation) return;
    this.#generation = offer.generation;
    if (offer.anew || !this.pc) {
      this.#dispose();
      this.pc = this.#connection();
    }
    const pc = this.pc;
    this.relays.renew(pc);
    await pc.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    if (this.pc !== pc) return;
    const byMid = new Map(pc.getTransceivers().map((each) => [each.mid, each.receiver.track]));
    this.received.value = new Map(
      offer.tracks.flatMap(({ mid, track }) => {
        const received = byMid.get(mid);
        return received ? [[track, received] as const] : [];
      }),
    );
    await this.server.call("media.answer", { generation: offer.generation, sdp: pc.localDescription!.sdp });
  }

  #connection(): RTCPeerConnection {
    const pc = new RTCPeerConnection({ iceServers: this.relays.servers, bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
    pc.addEventListener("connectionstatechange", () => {
      if (this.pc !== pc) return;
      this.state.value = pc.connectionState;
      this.#recovery.report(pc.connectionState);
    });
    return pc;
  }
}
