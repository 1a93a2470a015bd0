// One tab in one room: wires the seat, the media, the chat outbox and the page's own state
// together. The pieces do not know each other; this does.

import { computed, effect, signal } from "@preact/signals";
import { CallError } from "../calls";
import { Connection } from "../connection";
import { ask } from "../http";
import { t } from "../i18n";
import type { Featured } from "../layout";
import { Media, type Mode } from "../media";
import { Observer } from "../observer";
import { Outbox } from "../outbox";
import { Rights } from "../permissions";
import { Relays } from "../relays";
import { merge } from "../state";
import { claims } from "../token";
import { announce, toast, toasts } from "../ui/say";
import { explainCode, explainTrouble, roomName, sourceName } from "../words";
import { DeviceTrouble } from "../devices";
import { ending } from "./recording";
import type { Envelope, Live, Message, Role } from "../wire";

export type Panel = "chat" | "people";
export type Layout = "stage" | "grid";
export type Open = "help" | "settings" | "more" | "status" | "leave" | "recording" | null;

/** A recording as /api/v1/rooms/{room}/recordings lists it. */
export interface StoredRecording {
  id: string;
  started_ms: number;
  ended_ms: number | null;
  reason: string;
  files: { name: string; url: string; bytes: number; duration_ms: number; segments: { name: string }[] }[];
}

/** Messages kept on the page; older ones can be asked for again. */
const LOG = 1_000;

export class Session {
  readonly connection: Connection;
  readonly media: Media;
  readonly outbox: Outbox;
  readonly observer: Observer;
  readonly messages = signal<Message[]>([]);
  /** Whether the server has messages older than the first shown. */
  readonly earlier = signal(false);
  readonly panel = signal<Panel | null>("chat");
  readonly layout = signal<Layout>("stage");
  readonly pinned = signal<Featured | null>(null);
  readonly open = signal<Open>(null);
  readonly unread = signal(0);
  readonly entered = signal(false);
  readonly claimed: { name: string; role: Role };

  readonly person = computed(() => {
    const me = this.connection.me.value;
    return (me && this.connection.live.value?.participants[me.identity]) ?? null;
  });
  readonly #rights = computed(() => {
    const me = this.connection.me.value;
    const kind = this.connection.live.value?.room.kind;
    return me && kind ? new Rights(me, kind) : null;
  });
  readonly onStage = computed(() => {
    const me = this.connection.me.value;
    return me !== null && this.connection.live.value?.stage === me.identity;
  });

  constructor(
    readonly room: string,
    private readonly token: string,
  ) {
    const said = claims(token);
    const venue = (said["venue"] ?? {}) as { role?: Role };
    this.claimed = { name: String(said["name"] ?? said["sub"] ?? ""), role: venue.role ?? "member" };
    this.connection = new Connection(room, token);
    const relays = new Relays(async () => (await ask<{ iceServers: RTCIceServer[] }>("/api/v1/ice", token)).iceServers);
    this.media = new Media(this.connection, relays);
    this.observer = new Observer(this.connection, this.media);
    const key = `yunhai.outbox.${room}`;
    this.outbox = new Outbox(
      async (id, text) => (await this.connection.call<{ message: Message }>("chat.send", { text }, { id })).message,
      (message) => this.#log([message]),
      { load: () => sessionStorage.getItem(key), save: (text) => sessionStorage.setItem(key, text) },
    );
    this.connection.onMoved = () => this.media.publisher.disown();
    this.connection.onJoined = (same) => {
      this.#log(this.connection.live.value!.messages, this.messages.value.length === 0);
      this.media.joined(same);
      this.observer.start();
      this.outbox.open(true);
    };
    this.connection.onEvent = (live, envelope) => this.#event(live, envelope);
    this.connection.onSignal = (name, data) => this.media.signal(name, data);
    this.media.mayPublish = (source) => this.may(`publish.${source}`);
    this.media.onNotice = (notice) => {
      if (notice instanceof DeviceTrouble) {
        // Before the room, trouble stands beside the picture.
        if (!this.entered.value) return;
        const { cause, next } = explainTrouble(notice);
        toast(cause, { detail: next, tone: "warning" });
      } else if (notice instanceof CallError) this.tell(notice);
      else if (notice.kind === "forced") toast(t("A moderator muted you: {what}. You can switch it on again.", { what: sourceName(notice.source) }), { tone: "warning" });
      else toast(t("Now using {device}", { device: notice.label }));
    };
    effect(() => {
      const link = this.connection.link.value;
      if (link === "connected") return;
      this.outbox.open(false);
      this.media.offline();
      if (link === "ended") {
        this.media.close();
        this.observer.stop();
        toasts.value = [];
      }
    });
    effect(() => {
      const { panel, messages } = this;
      if (panel.value === "chat" && messages.value.length >= 0) this.unread.value = 0;
    });
  }

  async enter(mode: Mode): Promise<void> {
    this.media.setMode(mode);
    this.entered.value = true;
    await this.connection.enter();
  }

  async leave(): Promise<void> {
    this.media.close();
    await this.connection.leave();
  }

  may(act: string): boolean {
    const person = this.person.value;
    return person !== null && (this.#rights.value?.may(act, person) ?? false);
  }

  /** Do a command for its effect; a refusal is told in words. */
  async act(name: string, data: object = {}): Promise<boolean> {
    try {
      await this.connection.call(name, data);
      return true;
    } catch (error) {
      this.tell(error as CallError);
      return false;
    }
  }

  tell(error: CallError): void {
    const { cause, next } = explainCode(error.code);
    toast(cause, { detail: next, tone: "warning" });
  }

  /** What was recorded of this room; only moderators get an answer. */
  async recordings(): Promise<StoredRecording[]> {
    return (await ask<{ recordings: StoredRecording[] }>(`/api/v1/rooms/${this.room}/recordings`, this.token)).recordings;
  }

  /** Delete a recording for good; false, and said why, when that failed. */
  async deleteRecording(id: string): Promise<boolean> {
    try {
      await ask(`/api/v1/rooms/${this.room}/recordings/${id}`, this.token, undefined, "DELETE");
      return true;
    } catch (error) {
      this.tell(error as CallError);
      return false;
    }
  }

  async loadEarlier(): Promise<void> {
    const before = this.messages.value[0]?.number;
    if (before === undefined || before <= 1) {
      this.earlier.value = false;
      return;
    }
    try {
      const { messages, more } = await this.connection.call<{ messages: Message[]; more: boolean }>("chat.history", { before, limit: 50 });
      this.messages.value = merge(this.messages.value, messages);
      this.earlier.value = more;
    } catch (error) {
      this.tell(error as CallError);
    }
  }

  toggleHand(): void {
    void this.act(this.person.value?.hand_ms == null ? "hand.raise" : "hand.lower");
  }

  togglePanel(panel: Panel): void {
    this.panel.value = this.panel.value === panel ? null : panel;
  }

  /** Take messages in; `old` ones were written before we came. */
  #log(messages: readonly Message[], old = false): void {
    const known = new Set(this.messages.value.map(({ number }) => number));
    const fresh = messages.filter(({ number }) => !known.has(number));
    if (fresh.length === 0) return;
    this.messages.value = merge(this.messages.value, messages).slice(-LOG);
    if (old) this.earlier.value = (this.messages.value[0]?.number ?? 1) > 1;
    const mine = this.connection.me.value?.identity;
    const others = old ? [] : fresh.filter(({ identity }) => identity !== mine);
    if (this.panel.value !== "chat") this.unread.value += others.length;
  }

  #event(live: Live, envelope: Envelope): void {
    this.media.event(live, envelope);
    const mine = this.connection.me.value?.identity;
    const data = envelope.data as { identity?: string; message?: Message };
    const name = (data.identity && live.participants[data.identity]?.name) || "";
    switch (envelope.name) {
      case "chat.posted":
        this.#log([data.message!]);
        // The open chat is itself a live region.
        if (this.panel.value !== "chat" && data.message!.identity !== mine) announce(t("{name} wrote: {text}", { name: data.message!.name, text: data.message!.text }));
        break;
      case "hand.raised":
        if (data.identity === mine) announce(t("Your hand is up"));
        else if (name) this.may("floor.give") ? toast(t("{name} raised a hand", { name })) : announce(t("{name} raised a hand", { name }));
        break;
      case "hand.lowered":
        if (data.identity === mine) announce(t("Your hand is down"));
        break;
      case "floor.given":
        if (data.identity === mine) toast(t("You have the floor: switch on your microphone when you are ready."));
        else if (name) announce(t("{name} has the floor", { name }));
        break;
      case "floor.taken":
        if (data.identity === mine) toast(t("The floor has gone back to the moderator. Thank you."));
        break;
      case "recording.started":
        announce(t("This room is being recorded"));
        break;
      case "recording.stopped":
        toast(t("The recording has ended."));
        break;
      case "recording.failed":
        this.may("recording.stop") ? toast(t("The recording has ended."), { detail: ending((envelope.data as { reason: string }).reason), tone: "warning" }) : toast(t("The recording has ended."));
        break;
      case "stage.changed":
        if (data.identity && data.identity === mine) toast(t("You are on stage now: everybody sees you large."));
        else if (name) announce(t("{name} is on stage", { name }));
        break;
    }
  }

  /** The room's name for titles, once known. */
  title(): string {
    const live = this.connection.live.value;
    return live ? roomName(live.room) : this.room;
  }
}
