// Keeps a room's events in their numbered order: applies the next one, drops repeats, asks for
// what a gap missed, and asks for a new snapshot when the journal cannot help. Knows no socket.

import { apply } from "./state";
import type { Envelope, Live, Snapshot } from "./wire";

export interface TimelineHost {
  /** Fetch the events after a position; rejects when the journal no longer reaches back. */
  after(epoch: string, seq: number): Promise<Envelope[]>;
  /** The position is lost: join anew and call `start` with the snapshot. */
  rejoin(): void;
  /** Called after each applied event. */
  applied(live: Live, envelope: Envelope): void;
}

/** Events held while a gap is being filled; beyond it a new snapshot is cheaper. */
const MAX_AHEAD = 2_000;

export class Timeline {
  live: Live | null = null;
  epoch = "";
  seq = 0;
  #ahead = new Map<number, Envelope>();
  #healing = false;
  #run = 0;

  constructor(private readonly host: TimelineHost) {}

  /** Begin (or go on) from a join's answer; returns false when it does not continue what we have. */
  start(snapshot: Snapshot): boolean {
    if (snapshot.live) {
      this.live = snapshot.live;
      this.epoch = snapshot.epoch;
      this.seq = snapshot.seq;
    } else if (!this.live || snapshot.epoch !== this.epoch) {
      return false;
    }
    // What was held may be from before the room was numbered anew.
    const early = [...this.#ahead.values()].filter(({ epoch }) => epoch === this.epoch);
    this.#run += 1;
    this.#healing = false;
    this.#ahead.clear();
    for (const envelope of [...snapshot.missed, ...early]) this.receive(envelope);
    return true;
  }

  /** Forget the room: what arrives next waits for `start`. */
  pause(): void {
    this.#run += 1;
    this.#healing = true;
    this.#ahead.clear();
  }

  receive(envelope: Envelope): void {
    if (!this.live || this.#healing) {
      this.#hold(envelope);
      return;
    }
    if (envelope.epoch !== this.epoch) {
      this.#lose();
      return;
    }
    if (envelope.seq <= this.seq) return;
    if (envelope.seq > this.seq + 1) {
      this.#hold(envelope);
      void this.#heal();
      return;
    }
    this.seq = envelope.seq;
    this.live = apply(this.live, envelope);
    this.host.applied(this.live, envelope);
  }

  #hold(envelope: Envelope): void {
    this.#ahead.set(envelope.seq, envelope);
    if (this.#ahead.size > MAX_AHEAD) this.#lose();
  }

  #lose(): void {
    this.pause();
    this.host.rejoin();
  }

  async #heal(): Promise<void> {
    if (this.#healing) return;
    this.#healing = true;
    const run = this.#run;
    let missed: Envelope[];
    try {
      missed = await this.host.after(this.epoch, this.seq);
    } catch {
      if (run === this.#run) this.#lose();
      return;
    }
    if (run !== this.#run) return;
    this.#healing = false;
    const before = this.seq;
    const held = [...this.#ahead.values()].sort((a, b) => a.seq - b.seq);
    this.#ahead.clear();
    for (const envelope of missed) this.receive(envelope);
    // A journal that answers without the missing number would be asked for ever.
    if (this.seq === before && held.length > 0) {
      this.#lose();
      return;
    }
    for (const envelope of held) this.receive(envelope);
  }
}
