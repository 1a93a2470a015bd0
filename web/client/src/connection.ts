// One person's seat in one room over Socket.IO: enters, keeps the numbered events in order, comes
// back after a lost connection (to another node if need be), answers commands. Owns the socket,
// the timeline and what the page knows of the room; knows no media and no page.

import { signal } from "@preact/signals";
import { io, type Socket } from "socket.io-client";
import parser from "socket.io-msgpack-parser";
import { CallError, plain, type CallCode } from "./calls";
import { setServerClock } from "./clock";
import { backoff_ms, NodeList } from "./nodes";
import { Timeline } from "./timeline";
import type { Envelope, Live, Me, NodeAddress, Snapshot } from "./wire";

export type Link = "idle" | "connecting" | "connected" | "reconnecting" | "ended";

/** Why a seat ended: a session.closed reason, a server code, or `left`. */
export interface Ending {
  reason: string;
  retryAfter_s?: number;
}

const CONNECT_MS = 8_000;
const ANSWER_MS = 10_000;
const VERIFY_MS = 2_000;

/** Refusals that trying again will not change. */
const FINAL: ReadonlySet<CallCode> = new Set(["bad_token", "not_found", "forbidden", "removed", "room_full", "bad_command"]);

type Ack<T> = { ok: T } | { error: { code: CallCode; message: string; retry_after_s?: number } };
type SignalHandler = (name: string, data: Record<string, unknown>) => void;

export class Connection {
  readonly link = signal<Link>("idle");
  readonly ending = signal<Ending | null>(null);
  readonly live = signal<Live | null>(null);
  readonly me = signal<Me | null>(null);
  readonly node = signal("");
  /** When the next attempt to reconnect starts, our clock, or 0. */
  readonly nextTry_ms = signal(0);

  /** Called after each join; `same` when the session's media connections are those of before. */
  onJoined: (same: boolean) => void = () => {};
  /** Our media stayed behind at another node or with another session; called before what was missed. */
  onMoved: () => void = () => {};
  onEvent: (live: Live, envelope: Envelope) => void = () => {};
  onSignal: SignalHandler = () => {};

  #socket: Socket | null = null;
  #nodes: NodeList;
  #timeline: Timeline;
  #session = "";
  #media = "";
  #joinedNode = "";
  #resumable = false;
  #running = false;
  #wake: () => void = () => {};
  #opened: Promise<void> | null = null;

  constructor(
    private readonly room: string,
    private readonly token: string,
    home: string = location.origin,
  ) {
    this.#nodes = new NodeList(home);
    this.#timeline = new Timeline({
      after: async (epoch, seq) => (await this.call<{ missed: Envelope[] }>("events.after", { epoch, seq })).missed,
      rejoin: () => void this.#rejoin(),
      applied: (live, envelope) => {
        this.live.value = live;
        if (envelope.name === "role.changed" || envelope.name.startsWith("floor.")) this.#followMe(live);
        this.onEvent(live, envelope);
      },
    });
    addEventListener("offline", this.#lost);
    addEventListener("online", this.reconnectNow);
  }

  /** Enter the room; resolves once the seat is held or has ended. */
  enter(): Promise<void> {
    if (this.#running) return this.#opened ?? Promise.resolve();
    this.ending.value = null;
    this.link.value = "connecting";
    this.#opened = this.#run();
    return this.#opened;
  }

  /** Leave for good. */
  async leave(): Promise<void> {
    const socket = this.#socket;
    this.#end({ reason: "left" }, false);
    if (!socket?.connected) return;
    await new Promise<void>((done) => {
      socket.timeout(1_500).emit("room.leave", { id: crypto.randomUUID(), data: {} }, () => done());
    });
    socket.disconnect();
  }

  /** Send a command; rejects with CallError. A repeat under the same `id` gets the first answer. */
  call<T = Record<string, never>>(name: string, data: object = {}, options: { id?: string; answer_ms?: number } = {}): Promise<T> {
    const socket = this.#socket;
    if (!socket?.connected) return Promise.reject(new CallError("offline", "not connected"));
    return new Promise<T>((resolve, reject) => {
      const message = { id: options.id ?? crypto.randomUUID(), data: plain(data) };
      socket.timeout(options.answer_ms ?? ANSWER_MS).emit(name, message, (late: Error | null, ack?: Ack<T>) => {
        if (late || !ack) reject(new CallError(socket.connected ? "timeout" : "offline", `no answer to ${name}`));
        else if ("error" in ack) reject(new CallError(ack.error.code, ack.error.message, ack.error.retry_after_s ?? undefined));
        else resolve(ack.ok);
      });
    });
  }

  /** Skip the wait before the next attempt. */
  readonly reconnectNow = (): void => {
    this.#wake();
  };

  /** Something else has broken: ask whether the node is still there, and do not wait long for it. */
  async verify(): Promise<void> {
    const socket = this.#socket;
    if (!socket || this.link.value !== "connected") return;
    const { epoch, seq } = this.#timeline;
    try {
      await this.call("events.after", { epoch, seq }, { answer_ms: VERIFY_MS });
    } catch (error) {
      if ((error as CallError).code === "timeout") this.#drop(socket);
    }
  }

  /** Drop the connection as a failing network would; the seat is kept and taken again. */
  readonly #lost = (): void => {
    if (this.#running && this.#socket) this.#drop(this.#socket);
  };

  async #run(): Promise<void> {
    this.#running = true;
    let wait_ms = 0;
    for (let attempt = 1; this.#running; attempt += 1) {
      if (attempt > 1) await this.#pause(Math.max(backoff_ms(attempt - 1), wait_ms));
      if (!this.#running) return;
      const url = this.#nodes.next();
      try {
        const socket = await this.#open(url, attempt);
        await this.#join(socket, url);
        return;
      } catch (error) {
        this.#socket?.disconnect();
        this.#socket = null;
        const cause = error instanceof CallError ? error : new CallError("offline", String(error));
        if (FINAL.has(cause.code)) {
          this.#end({ reason: cause.code, ...(cause.retryAfter_s ? { retryAfter_s: cause.retryAfter_s } : {}) });
          return;
        }
        if (cause.code === "conflict") this.#resumable = false;
        wait_ms = (cause.retryAfter_s ?? 0) * 1000;
        this.#nodes.failed(url);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    this.nextTry_ms.value = Date.now() + ms;
    return new Promise((done) => {
      const timer = setTimeout(() => this.#wake(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.nextTry_ms.value = 0;
        this.#wake = () => {};
        done();
      };
    });
  }

  #open(url: string, attempt: number): Promise<Socket> {
    const socket = io(url, {
      parser,
      auth: { token: this.token },
      // Some networks open WebSockets and cut them at once: every other attempt begins without one.
      transports: attempt % 2 === 1 ? ["websocket", "polling"] : ["polling", "websocket"],
      tryAllTransports: true,
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_MS,
    });
    this.#socket = socket;
    socket.on("event", (envelope: Envelope) => {
      if (this.#socket === socket) this.#timeline.receive(envelope);
    });
    socket.on("signal", ({ name, data }: { name: string; data: Record<string, unknown> }) => {
      if (this.#socket !== socket) return;
      if (name === "session.closed") this.#closed(socket, String(data["reason"]), data["reconnect"] === true);
      else this.onSignal(name, data);
    });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new CallError("timeout", `no answer from ${url}`)), CONNECT_MS + 2_000);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.once("disconnect", () => this.#drop(socket));
        resolve(socket);
      });
      socket.once("connect_error", (error: Error & { data?: { code?: CallCode; message?: string } }) => {
        clearTimeout(timer);
        reject(new CallError(error.data?.code ?? "offline", error.data?.message ?? error.message));
      });
      // Closed before it was open: no connect_error tells of that.
      socket.io.engine.once("close", (why) => {
        clearTimeout(timer);
        reject(new CallError("offline", why));
      });
    });
  }

  async #join(socket: Socket, url: string): Promise<void> {
    const resume = this.#resumable ? { session: this.#session, epoch: this.#timeline.epoch, seq: this.#timeline.seq } : null;
    const asked_ms = Date.now();
    const snapshot = await this.call<Snapshot>("room.join", { room: this.room, protocol: 1, resume });
    if (this.#socket !== socket) throw new CallError("offline", "connection replaced");
    setServerClock(snapshot.now_ms, asked_ms, Date.now());
    const same = this.#media === snapshot.me.media;
    if (!same) this.onMoved();
    if (!this.#timeline.start(snapshot)) throw new CallError("conflict", "the answer does not continue what we have");
    this.#resumable = true;
    this.#session = snapshot.me.session;
    this.#media = snapshot.me.media;
    this.#joinedNode = url;
    this.#nodes.learn(snapshot.nodes.map((node: NodeAddress) => node.url), url);
    this.node.value = snapshot.nodes.find((node) => sameOrigin(node.url, url))?.id ?? "";
    this.me.value = snapshot.me;
    this.live.value = this.#timeline.live;
    this.nextTry_ms.value = 0;
    this.link.value = "connected";
    this.onJoined(same);
  }

  /** A new snapshot over the same connection. */
  async #rejoin(): Promise<void> {
    const socket = this.#socket;
    if (!socket || this.link.value !== "connected") return;
    this.#resumable = false;
    try {
      await this.#join(socket, this.#joinedNode);
    } catch {
      this.#drop(socket);
    }
  }

  #drop(socket: Socket): void {
    if (this.#socket !== socket || !this.#running) return;
    this.#socket = null;
    socket.disconnect();
    this.link.value = "reconnecting";
    this.#opened = this.#run();
  }

  #closed(socket: Socket, reason: string, reconnect: boolean): void {
    if (!reconnect) {
      this.#end({ reason });
      return;
    }
    if (reason === "node_draining") this.#nodes.failed(this.#joinedNode);
    this.#drop(socket);
  }

  #end(ending: Ending, disconnect = true): void {
    this.#running = false;
    this.ending.value = ending;
    this.link.value = "ended";
    this.#wake();
    if (disconnect) this.#socket?.disconnect();
    this.#socket = null;
    this.#timeline.pause();
  }

  #followMe(live: Live): void {
    const me = this.me.value;
    const seen = me && live.participants[me.identity];
    if (me && seen && seen.role !== me.role) this.me.value = { ...me, role: seen.role };
  }
}

function sameOrigin(one: string, other: string): boolean {
  try {
    return new URL(one).origin === new URL(other).origin;
  } catch {
    return false;
  }
}
