// Everything a person sends and receives in a room: captures, both peer connections, the wish of
// what to see, the mode (everything, audio first, text only). Owns the captured tracks.

import { computed, effect, signal, untracked, type Signal } from "@preact/signals";
import { CallError } from "./calls";
import type { Connection } from "./connection";
import { choice, choose, openDevice, openScreen, watchDevices, DeviceTrouble, type DeviceKind } from "./devices";
import { Publisher } from "./publisher";
import type { Relays } from "./relays";
import { Sound } from "./sound";
import { Subscriber } from "./subscriber";
import { View } from "./view";
import type { Envelope, Live, MediaOffer, Source, Track } from "./wire";

export type Mode = "everything" | "audio" | "text";

/** Something a person must be told: a device's trouble, a refusal, or a change that happened to them. */
export type Notice = DeviceTrouble | CallError | { kind: "forced"; source: Source } | { kind: "device"; label: string };

/** How many who spoke last are remembered. */
const RECENT = 8;

const MODE_KEY = "yunhai.mode";

function rememberedMode(): Mode {
  const mode = localStorage.getItem(MODE_KEY);
  return mode === "audio" || mode === "text" ? mode : "everything";
}

export class Media {
  readonly mode = signal<Mode>(rememberedMode());
  readonly microphone = signal<MediaStreamTrack | null>(null);
  readonly camera = signal<MediaStreamTrack | null>(null);
  readonly screen = signal<MediaStreamTrack | null>(null);
  readonly microphoneOn = signal(false);
  readonly cameraOn = signal(false);
  readonly busy = signal<ReadonlySet<Source>>(new Set());
  /** Why a device is not on although it was wanted. */
  readonly troubles = signal<Partial<Record<DeviceTrouble["device"], DeviceTrouble>>>({});
  /** The system silenced our microphone (a phone call, Siri). */
  readonly interrupted = signal(false);
  readonly speakers = signal<readonly string[]>([]);
  readonly recentSpeakers = signal<readonly string[]>([]);
  readonly paused = signal<ReadonlySet<string>>(new Set());
  readonly sound = new Sound();
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly view: View;
  readonly failing = computed(() => [this.publisher.state.value, this.subscriber.state.value].some((state) => state === "failed" || state === "disconnected"));
  onNotice: (notice: Notice) => void = () => {};
  /** Whether the room lets this person send that now. */
  mayPublish: (source: Source) => boolean = () => true;

  #joined = false;
  #screenSound: MediaStreamTrack | null = null;
  #turns = new Map<Source, Promise<unknown>>();
  #stopWatching = watchDevices((gone, come) => void this.#devicesChanged(gone, come));

  constructor(
    private readonly connection: Connection,
    readonly relays: Relays,
  ) {
    const server = { call: connection.call.bind(connection) };
    this.publisher = new Publisher(server, relays);
    this.subscriber = new Subscriber(server, relays);
    this.view = new View(server, this.mode, () => this.#joined);
    this.subscriber.received.subscribe(() => this.#playSound());
    void this.sound.useSpeaker(choice.value.speaker);
    // One network carries both, and media notices first when it is gone.
    effect(() => {
      if (this.failing.value) untracked(() => void connection.verify());
    });
  }

  /** The room was joined: publish what is on, ask for what is shown. */
  joined(same: boolean): void {
    this.#joined = true;
    this.relays.start();
    if (!same) {
      this.subscriber.renew();
      this.paused.value = new Set();
      void this.publisher.rebuild().catch(() => {});
    }
    this.publisher.online(true);
    this.subscriber.online(true);
    this.view.send();
    if (this.microphoneOn.value && !this.publisher.trackId("microphone")) this.#publish("microphone", this.microphone.value, false);
    if (this.cameraOn.value && !this.publisher.trackId("camera")) this.#publish("camera", this.camera.value, false);
  }

  /** The room's connection is lost: sound and picture may go on, but nothing can be negotiated. */
  offline(): void {
    this.publisher.online(false);
    this.subscriber.online(false);
  }

  signal(name: string, data: Record<string, unknown>): void {
    switch (name) {
      case "media.offer":
        void this.subscriber.offered(data as unknown as MediaOffer).catch(() => {});
        break;
      case "media.state":
        if (data["state"] === "connected") break;
        (data["peer"] === "publisher" ? this.publisher : this.subscriber).failed();
        break;
      case "media.paused":
        this.paused.value = new Set(data["tracks"] as string[]);
        break;
      case "speaker.changed": {
        const now = data["identities"] as string[];
        this.speakers.value = now;
        if (now.length > 0) this.recentSpeakers.value = [...new Set([...now, ...this.recentSpeakers.value])].slice(0, RECENT);
        break;
      }
    }
  }

  /** What the room says about our own tracks. */
  event(live: Live, { name, data }: Envelope): void {
    if (name === "track.updated") {
      const track = data["track"] as Track;
      if (!track.forced || this.publisher.trackId(track.source) !== track.id) return;
      const was = track.source === "microphone" ? this.microphoneOn : track.source === "camera" ? this.cameraOn : null;
      this.publisher.noteForced(track.id);
      if (was?.value) this.onNotice({ kind: "forced", source: track.source });
      if (track.source === "microphone") this.#silence();
      if (track.source === "camera") this.#darken();
    } else if (name === "track.unpublished") {
      const source = this.publisher.sourceOf(data["id"] as string);
      if (!source) return;
      // Not taken from us but lost with the media connection: its recovery sends it again.
      if (this.mayPublish(source) && !this.#sentElsewhere(live, source)) {
        this.publisher.lost(source);
        return;
      }
      this.publisher.forget(source);
      if (source === "microphone") this.#silence();
      if (source === "camera") this.#darken();
      if (source === "screen") void this.share(false);
    } else if (name === "participant.left") {
      this.recentSpeakers.value = this.recentSpeakers.value.filter((identity) => live.participants[identity]);
    }
  }

  /** Another tab or device of ours sends this now, so this one does not. */
  #sentElsewhere(live: Live, source: Source): boolean {
    return Object.values(live.tracks).some((track) => track.source === source && track.identity === this.connection.me.value?.identity);
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.#turn("microphone", async () => {
      if (!on) {
        this.#silence();
        if (this.publisher.trackId("microphone")) await this.publisher.send("microphone", this.microphone.value, true);
        return;
      }
      const track = this.#usable(this.microphone.value) ?? this.#adopt("microphone", await openDevice("microphone"));
      track.enabled = true;
      this.microphone.value = track;
      this.microphoneOn.value = true;
      if (this.#joined) await this.publisher.send("microphone", track, false);
    });
  }

  setCamera(on: boolean): Promise<void> {
    return this.#turn("camera", async () => {
      if (!on) {
        this.#darken();
        if (this.publisher.trackId("camera")) await this.publisher.send("camera", null, true);
        return;
      }
      const track = this.#usable(this.camera.value) ?? this.#adopt("camera", await openDevice("camera"));
      this.camera.value = track;
      this.cameraOn.value = true;
      if (this.#joined) await this.publisher.send("camera", track, false);
    });
  }

  share(on: boolean): Promise<void> {
    return this.#turn("screen", async () => {
      if (!on) {
        this.screen.value?.stop();
        this.#screenSound?.stop();
        this.screen.value = this.#screenSound = null;
        await Promise.all([this.publisher.stop("screen"), this.publisher.stop("screen_audio")]);
        return;
      }
      const stream = await openScreen();
      const picture = stream?.getVideoTracks()[0];
      if (!picture) return;
      picture.addEventListener("ended", () => void this.share(false));
      this.screen.value = picture;
      this.#screenSound = stream.getAudioTracks()[0] ?? null;
      try {
        await Promise.all([
          this.publisher.send("screen", picture, false),
          this.#screenSound ? this.publisher.send("screen_audio", this.#screenSound, false) : null,
        ]);
      } catch (error) {
        picture.stop();
        this.#screenSound?.stop();
        this.screen.value = this.#screenSound = null;
        throw error;
      }
    });
  }

  /** Change a device; what is on goes on with the new one, without a new offer. */
  async use(kind: DeviceKind | "speaker", deviceId: string): Promise<void> {
    choose(kind, deviceId);
    if (kind === "speaker") {
      await this.sound.useSpeaker(deviceId);
      return;
    }
    const [on, held] = kind === "microphone" ? [this.microphoneOn, this.microphone] : [this.cameraOn, this.camera];
    if (!on.value) {
      held.value?.stop();
      held.value = null;
      return;
    }
    await this.#reopen(kind);
  }

  /** Take the microphone again after the system silenced it. */
  async restoreSound(): Promise<void> {
    this.sound.unlock();
    if (this.interrupted.value) await this.#reopen("microphone");
    this.interrupted.value = false;
  }

  /** Choose how much to receive; kept until chosen anew, also for the next visit. */
  setMode(mode: Mode): void {
    this.mode.value = mode;
    localStorage.setItem(MODE_KEY, mode);
    if (mode !== "everything" && this.cameraOn.value) void this.setCamera(false);
    if (mode === "text" && this.microphoneOn.value) void this.setMicrophone(false);
    if (mode === "text" && this.screen.value) void this.share(false);
    this.view.send();
  }

  close(): void {
    this.#joined = false;
    this.#stopWatching();
    for (const track of [this.microphone, this.camera, this.screen]) {
      track.value?.stop();
      track.value = null;
    }
    this.#screenSound?.stop();
    this.microphoneOn.value = this.cameraOn.value = false;
    this.publisher.close();
    this.subscriber.close();
    this.relays.stop();
    this.sound.close();
  }

  #publish(source: "microphone" | "camera", track: MediaStreamTrack | null, muted: boolean): void {
    void this.#turn(source, () => this.publisher.send(source, track, muted));
  }

  /** One change of a source at a time; trouble becomes a notice, and the switch tells the truth. */
  #turn(source: Source, act: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(source) ?? Promise.resolve()).then(async () => {
      this.busy.value = new Set([...this.busy.value, source]);
      if (source !== "screen_audio") this.troubles.value = { ...this.troubles.value, [source]: undefined };
      try {
        await act();
      } catch (error) {
        this.#failed(source, error);
      } finally {
        this.busy.value = new Set([...this.busy.value].filter((each) => each !== source));
      }
    });
    this.#turns.set(source, turn);
    return turn;
  }

  #failed(source: Source, error: unknown): void {
    // Not connected just now: what is on is published when the room is back.
    if (error instanceof CallError && (error.code === "offline" || error.code === "timeout")) return;
    if (error instanceof CallError && error.code === "unavailable") {
      this.onNotice(error);
      return;
    }
    if (source === "microphone") this.#silence();
    if (source === "camera") this.#darken();
    if (error instanceof DeviceTrouble) this.troubles.value = { ...this.troubles.value, [error.device]: error };
    this.onNotice(error instanceof DeviceTrouble || error instanceof CallError ? error : new CallError("internal", String(error)));
  }

  #silence(): void {
    if (this.microphone.value) this.microphone.value.enabled = false;
    this.microphoneOn.value = false;
  }

  #darken(): void {
    this.camera.value?.stop();
    this.camera.value = null;
    this.cameraOn.value = false;
  }

  #usable(track: MediaStreamTrack | null): MediaStreamTrack | null {
    return track?.readyState === "live" ? track : null;
  }

  #adopt(kind: DeviceKind, track: MediaStreamTrack): MediaStreamTrack {
    const held: Signal<MediaStreamTrack | null> = kind === "microphone" ? this.microphone : this.camera;
    track.addEventListener("ended", () => {
      if (held.value === track) void this.#reopen(kind);
    });
    if (kind === "microphone") {
      track.addEventListener("mute", () => {
        setTimeout(() => {
          if (track.muted && held.value === track && this.microphoneOn.value) this.interrupted.value = true;
        }, 1_500);
      });
      track.addEventListener("unmute", () => {
        if (held.value === track) this.interrupted.value = false;
      });
    }
    return track;
  }

  #reopen(kind: DeviceKind): Promise<void> {
    return this.#turn(kind, async () => {
      const [on, held] = kind === "microphone" ? [this.microphoneOn, this.microphone] : [this.cameraOn, this.camera];
      const old = held.value;
      held.value = null;
      // Some systems give a device to one track only, so the old one goes first.
      old?.stop();
      const track = this.#adopt(kind, await openDevice(kind));
      track.enabled = on.value;
      held.value = track;
      if (this.#joined && this.publisher.trackId(kind)) await this.publisher.send(kind, track, !on.value);
    });
  }

  async #devicesChanged(gone: MediaDeviceInfo[], come: MediaDeviceInfo[]): Promise<void> {
    for (const kind of ["microphone", "camera"] as const) {
      const type = kind === "microphone" ? "audioinput" : "videoinput";
      const held = kind === "microphone" ? this.microphone.value : this.camera.value;
      const using = held?.getSettings().deviceId;
      const lost = gone.some((device) => device.kind === type && device.deviceId === using);
      const back = come.find((device) => device.kind === type && device.deviceId === choice.value[kind]);
      if (!held || (!lost && !(back && using !== back.deviceId))) continue;
      await this.#reopen(kind);
      const label = (kind === "microphone" ? this.microphone.value : this.camera.value)?.label;
      if (label) this.onNotice({ kind: "device", label });
    }
  }

  #playSound(): void {
    const live = this.connection.live.value;
    const audible = [...this.subscriber.received.value].filter(([id, track]) => track.kind === "audio" && live?.tracks[id]?.identity !== this.connection.me.value?.identity);
    this.sound.play(new Map(audible));
  }
}
