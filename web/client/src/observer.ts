// Watches the connection: seldom and by itself while nobody looks, once a second and together with
// the server while somebody does. Keeps the last two minutes.

import { signal } from "@preact/signals";
import type { Connection } from "./connection";
import type { Media } from "./media";
import { between, read, type Names, type Reading, type Snapshot } from "./readings";
import type { ConnectionStats } from "./wire";

const SELDOM_MS = 5_000;
const OFTEN_MS = 1_000;
const ANSWER_MS = 3_000;
export const KEPT_MS = 120_000;

export class Observer {
  readonly readings = signal<readonly Reading[]>([]);
  latest: Snapshot | null = null;
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #looking = false;

  constructor(
    private readonly connection: Connection,
    private readonly media: Media,
  ) {}

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#schedule(OFTEN_MS);
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Look closely until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    this.#schedule(0);
    return () => {
      this.#watchers -= 1;
    };
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#running && !this.#looking) this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      const now = await this.#snapshot();
      const before = this.latest;
      this.latest = now;
      if (before) {
        const kept = this.readings.value.filter(({ at_ms }) => at_ms > now.at_ms - KEPT_MS);
        this.readings.value = [...kept, between(before, now, this.#names())];
      }
    } catch {
      // A connection that closed while it was read: the next look sees the new one.
    } finally {
      this.#looking = false;
      this.#schedule(this.#watchers > 0 ? OFTEN_MS : SELDOM_MS);
    }
  }

  async #snapshot(): Promise<Snapshot> {
    const { publisher, subscriber } = this.media;
    const at_ms = Date.now();
    const asked = this.#watchers > 0 && this.connection.link.value === "connected" ? this.#askServer() : null;
    const [sent, received, server] = await Promise.all([read(publisher.pc), read(subscriber.pc), asked]);
    return { at_ms, sent, received, server };
  }

  async #askServer(): Promise<ConnectionStats | null> {
    try {
      return (await this.connection.call<{ connection: ConnectionStats }>("media.stats", {}, { answer_ms: ANSWER_MS })).connection;
    } catch {
      return null;
    }
  }

  #names(): Names {
    return {
      live: this.connection.live.value,
      sources: this.media.publisher.lines(),
      tracks: new Map([...this.media.subscriber.received.value].map(([id, track]) => [track.id, id])),
    };
  }
}
