// The connection towards the server: offers what this person sends, changes devices and mutes
// without a new offer, and comes back by itself. Owns the RTCPeerConnection, not the tracks.

import { signal } from "@preact/signals";
import { CallError } from "./calls";
import { Recovery } from "./recovery";
import type { Relays } from "./relays";
import type { Source, Track } from "./wire";

export interface Server {
  call<T>(name: string, data: object, options?: { answer_ms?: number }): Promise<T>;
}

interface Slot {
  transceiver: RTCRtpTransceiver;
  track: MediaStreamTrack | null;
  muted: boolean;
  /** The server's id and what it was told, once published. */
  published: { id: string; muted: boolean } | null;
}

/** In one size at three frame rates, of which the server leaves out the upper ones where a path is narrow. */
type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: "L1T3" };

/** Quarter, half and full size; bit rates for 720p of a person. */
const SIMULCAST: Encoding[] = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: "L1T3" },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: "L1T3" },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: "L1T3" },
];
const SCREEN: RTCRtpEncodingParameters[] = [{ maxBitrate: 2_500_000, maxFramerate: 15 }];
const VOICE: RTCRtpEncodingParameters[] = [{ maxBitrate: 48_000 }];
const SCREEN_SOUND: RTCRtpEncodingParameters[] = [{ maxBitrate: 96_000 }];

export class Publisher {
  readonly state = signal<RTCPeerConnectionState | "none">("none");
  pc: RTCPeerConnection | null = null;
  #slots = new Map<Source, Slot>();
  #queue: Promise<unknown> = Promise.resolve();
  /** The lines changed since the last offer. */
  #dirty = false;
  /** The server's end of this connection is gone; a new one would not know our streams by their old headers. */
  #stranded = false;
  #recovery = new Recovery((step) => (step === "restart" ? this.#negotiate(true) : this.rebuild()));

  constructor(
    private readonly server: Server,
    private readonly relays: Relays,
  ) {}

  /** Send `track` as `source` (null keeps the line but sends nothing), muted or not. */
  async send(source: Source, track: MediaStreamTrack | null, muted: boolean): Promise<void> {
    const slot = this.#slots.get(source);
    if (slot) {
      slot.track = track;
      slot.muted = muted;
      await slot.transceiver.sender.replaceTrack(track);
      if (slot.published) await this.#tellMuted(slot);
      else await this.#negotiate();
      return;
    }
    if (!track) return;
    this.#slots.set(source, { transceiver: this.#addLine(source, track), track, muted, published: null });
    try {
      await this.#negotiate();
    } catch (error) {
      if (isRefusal(error)) this.#drop(source);
      throw error;
    }
  }

  /** Stop sending `source` altogether. */
  async stop(source: Source): Promise<void> {
    if (this.#drop(source)) await this.#negotiate();
  }

  /** What we send under this id of the server's. */
  sourceOf(trackId: string): Source | null {
    for (const [source, slot] of this.#slots) if (slot.published?.id === trackId) return source;
    return null;
  }

  /** The server ended this track (floor taken, role changed): stop without asking. */
  forget(source: Source): void {
    this.#drop(source);
  }

  /** The server lost this track with the connection: the next offer publishes it anew. */
  lost(source: Source): void {
    const slot = this.#slots.get(source);
    if (slot) slot.published = null;
    this.#dirty = this.#stranded = true;
  }

  /** What the server knew of us is gone: its ids mean nothing any more. */
  disown(): void {
    for (const source of this.#slots.keys()) this.lost(source);
  }

  /** What is published on which line of the connection. */
  lines(): Map<string, { source: Source; track: string }> {
    return new Map(
      [...this.#slots].flatMap(([source, { transceiver, published }]) => (transceiver.mid && published ? [[transceiver.mid, { source, track: published.id }] as const] : [])),
    );
  }

  /** The server's id of what we send as `source`. */
  trackId(source: Source): string | null {
    return this.#slots.get(source)?.published?.id ?? null;
  }

  /** Make a new connection for what is sent: after a join elsewhere, or when ICE restarts do not help. */
  async rebuild(): Promise<void> {
    this.#renew();
    if (this.#slots.size > 0) await this.#negotiate();
  }

  #renew(): void {
    const wanted = [...this.#slots].map(([source, { track, muted }]) => ({ source, track, muted }));
    this.#dispose();
    for (const { source, track, muted } of wanted) {
      this.#slots.set(source, { transceiver: this.#addLine(source, track), track, muted, published: null });
    }
  }

  /** The server says this peer failed. */
  failed(): void {
    this.#recovery.report("failed");
  }

  /** The room is connected again or not: recovery waits for it. */
  online(online: boolean): void {
    this.#recovery.online(online);
  }

  close(): void {
    this.#dispose();
    this.#slots.clear();
  }

  #dispose(): void {
    this.#recovery.reset();
    this.#stranded = false;
    this.#slots.clear();
    this.pc?.close();
    this.pc = null;
    this.state.value = "none";
  }

  #drop(source: Source): boolean {
    const slot = this.#slots.get(source);
    if (!slot) return false;
    this.#slots.delete(source);
    void slot.transceiver.sender.replaceTrack(null).catch(() => {});
    slot.transceiver.direction = "inactive";
    this.#dirty = true;
    return true;
  }

  #connection(): RTCPeerConnection {
    if (this.pc) return this.pc;
    const pc = new RTCPeerConnection({ iceServers: this.relays.servers, bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
    pc.addEventListener("connectionstatechange", () => {
      if (this.pc !== pc) return;
      this.state.value = pc.connectionState;
      this.#recovery.report(pc.connectionState);
    });
    this.pc = pc;
    this.#recovery.reset();
    return pc;
  }

  /** A line for `source`: an idle one of the same kind and shape again, else a new one. */
  #addLine(source: Source, track: MediaStreamTrack | null): RTCRtpTransceiver {
    const pc = this.#connection();
    this.#dirty = true;
    const kind = source === "microphone" || source === "screen_audio" ? "audio" : "video";
    const encodings = { camera: SIMULCAST, screen: SCREEN, microphone: VOICE, screen_audio: SCREEN_SOUND }[source];
    const used = new Set([...this.#slots.values()].map(({ transceiver }) => transceiver));
    const idle = pc.getTransceivers().find(
      (each) =>
        !used.has(each) && each.currentDirection !== "stopped" && each.direction === "inactive" && each.sender.getParameters().encodings.length === encodings.length &&
        each.receiver.track.kind === kind,
    );
    if (idle) {
      idle.direction = "sendonly";
      preferCodecs(idle, source);
      void idle.sender.replaceTrack(track);
      return idle;
    }
    const transceiver = pc.addTransceiver(track ?? kind, { direction: "sendonly", sendEncodings: encodings.map((one) => ({ ...one })) });
    preferCodecs(transceiver, source);
    return transceiver;
  }

  #negotiate(iceRestart = false): Promise<void> {
    const turn = this.#queue.then(() => this.#offer(iceRestart));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #offer(iceRestart: boolean): Promise<void> {
    if (this.#stranded) this.#renew();
    const pc = this.pc;
    if (!pc || (!this.#dirty && !iceRestart)) return;
    this.#dirty = false;
    if (iceRestart) this.relays.renew(pc);
    await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
    const offered = [...this.#slots].map(([source, slot]) => ({ source, slot, muted: slot.muted, mid: slot.transceiver.mid }));
    let answer: { sdp: string; tracks: Track[] };
    try {
      answer = await this.server.call("media.publish", {
        sdp: pc.localDescription!.sdp,
        tracks: offered.flatMap(({ source, muted, mid }) => (mid ? [{ mid, source, muted }] : [])),
      }, { answer_ms: 15_000 });
    } catch (error) {
      if (this.pc === pc && pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" }).catch(() => {});
      this.#dirty = true;
      if (!isRefusal(error)) this.#recovery.report("failed");
      throw error;
    }
    if (this.pc !== pc) return;
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    for (const { source, slot, muted } of offered) {
      const track = answer.tracks.find((each) => each.source === source);
      if (!track || this.#slots.get(source) !== slot) continue;
      slot.published = { id: track.id, muted };
      await this.#tellMuted(slot).catch(() => {});
    }
  }

  async #tellMuted(slot: Slot): Promise<void> {
    const { published, muted } = slot;
    if (!published || published.muted === muted) return;
    await this.server.call("track.mute", { track: published.id, muted });
    if (slot.published === published) published.muted = muted;
  }

  /** A moderator muted this track: remember, so that unmuting is told. */
  noteForced(trackId: string): void {
    for (const slot of this.#slots.values()) {
      if (slot.published?.id === trackId) {
        slot.published.muted = true;
        slot.muted = true;
      }
    }
  }
}

/** What the encoder shall take first: VP8, which all decode; for voices redundancy (RFC 2198), which
 * the server passes on where packets get lost. */
function preferCodecs(transceiver: RTCRtpTransceiver, source: Source): void {
  const wanted = { microphone: "audio/red", screen_audio: "audio/opus", camera: "video/vp8", screen: "video/vp8" }[source];
  const codecs = RTCRtpSender.getCapabilities?.(wanted.split("/")[0]!)?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const first = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === wanted);
  if (first.length) transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => !first.includes(codec))]);
}

/** The server would refuse this again. */
function isRefusal(error: unknown): boolean {
  return error instanceof CallError && ["forbidden", "bad_sdp", "too_large"].includes(error.code);
}
