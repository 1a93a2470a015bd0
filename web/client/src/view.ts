// What this person wants to receive, told to the server as one whole wish whenever it has settled:
// the videos the page shows, with their size in device pixels.

import type { Signal } from "@preact/signals";
import type { Mode } from "./media";
import type { Server } from "./publisher";
import type { Source } from "./wire";

interface Wish {
  track: string;
  source: Source;
  width: number;
  height: number;
}

const SETTLE_MS = 150;
const AGAIN_MS = 2_000;
const MAX_TILES = 64;

export class View {
  #wishes = new Map<symbol, Wish>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told = "";

  constructor(
    private readonly server: Server,
    private readonly mode: Signal<Mode>,
    private readonly ready: () => boolean,
  ) {}

  /** A tile shows `track` at this size, device pixels. */
  show(tile: symbol, track: string, source: Source, width: number, height: number): void {
    this.#wishes.set(tile, { track, source, width, height });
    this.#settle(SETTLE_MS);
  }

  hide(tile: symbol): void {
    if (this.#wishes.delete(tile)) this.#settle(SETTLE_MS);
  }

  /** Tell the whole wish now, changed or not: after a join, or when the mode changed. */
  send(): void {
    this.#told = "";
    this.#settle(0);
  }

  /** The whole wish. */
  wish(): { audio: boolean; tiles: { track: string; width: number; height: number }[] } {
    const tiles = new Map<string, { track: string; width: number; height: number }>();
    for (const { track, source, width, height } of this.#wishes.values()) {
      if (this.mode.value === "text" || (this.mode.value === "audio" && source !== "screen")) continue;
      const known = tiles.get(track);
      if (!known || known.width * known.height < width * height) tiles.set(track, { track, width, height });
    }
    const sorted = [...tiles.values()].sort((a, b) => b.width * b.height - a.width * a.height);
    return { audio: this.mode.value !== "text", tiles: sorted.slice(0, MAX_TILES) };
  }

  #settle(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tell(), ms);
  }

  async #tell(): Promise<void> {
    if (!this.ready()) return;
    const wish = this.wish();
    const text = JSON.stringify(wish);
    if (text === this.#told) return;
    this.#told = text;
    try {
      await this.server.call("media.view", wish);
    } catch {
      // Offline: the next join tells it. Refused or late: again soon.
      if (this.#told === text) this.#told = "";
      this.#settle(AGAIN_MS);
    }
  }
}
