// Brings one peer connection back: ICE restart first, a new connection when that does not help,
// with growing waits, and only while the room itself is connected.

const GRACE_MS = 3_000;
const CHECK_MS = 6_000;
const LONGEST_MS = 20_000;

export type Step = "restart" | "anew";

export class Recovery {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #online = true;
  #waiting = false;
  #well = false;

  constructor(private readonly act: (step: Step) => Promise<void>) {}

  report(state: RTCPeerConnectionState): void {
    this.#well = state === "connected";
    if (this.#well) this.reset();
    else if (state === "failed") this.#schedule(this.#failures === 0 ? 0 : this.#backoff());
    else if (state === "disconnected") this.#schedule(GRACE_MS);
  }

  online(online: boolean): void {
    this.#online = online;
    if (online && this.#waiting) {
      this.#waiting = false;
      this.#schedule(0);
    }
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#failures = 0;
    this.#waiting = false;
  }

  #backoff(): number {
    return Math.min(LONGEST_MS, 1_000 * 2 ** this.#failures);
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#try(), ms);
  }

  async #try(): Promise<void> {
    this.#timer = undefined;
    if (!this.#online) {
      this.#waiting = true;
      return;
    }
    const step: Step = this.#failures % 2 === 0 ? "restart" : "anew";
    this.#failures += 1;
    const failures = this.#failures;
    await this.act(step).catch(() => {});
    // It may be connected before the answer to what was done about it comes.
    if (this.#well) return;
    // Rebuilding resets the count; keep it, so that waits go on growing.
    this.#failures = Math.max(this.#failures, failures);
    this.#schedule(CHECK_MS + this.#backoff());
  }
}
