// Chat on its way out: typed lines keep their order and their client-made id until the server has
// them, across dropped connections and a page reload, and are stored once.

import { computed, signal } from "@preact/signals";
import { CallError } from "./calls";
import type { Message } from "./wire";

export interface Pending {
  id: string;
  text: string;
  state: "waiting" | "refused";
  error?: CallError;
}

/** Send one line under its id; rejects with CallError. */
export type SendLine = (id: string, text: string) => Promise<Message>;

const TRY_AGAIN = new Set(["offline", "timeout", "rate_limited", "unavailable", "not_joined"]);

export class Outbox {
  readonly lines = signal<Pending[]>([]);
  readonly waiting = computed(() => this.lines.value.filter((line) => line.state === "waiting").length);
  #busy = false;
  #open = false;

  constructor(
    private readonly send: SendLine,
    private readonly stored: (message: Message) => void,
    private readonly keep: { load(): string | null; save(text: string): void },
    private readonly wait: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {
    try {
      const saved = JSON.parse(this.keep.load() ?? "[]") as Pending[];
      this.lines.value = saved.map(({ id, text }) => ({ id, text, state: "waiting" as const }));
    } catch {
      // A damaged store is an empty one.
    }
  }

  /** Add a line; it leaves at once when the room is connected. */
  add(text: string): void {
    this.#set([...this.lines.value, { id: crypto.randomUUID(), text, state: "waiting" }]);
    void this.#flush();
  }

  /** Say whether the room is connected. */
  open(open: boolean): void {
    this.#open = open;
    if (open) void this.#flush();
  }

  /** Try a refused line again. */
  retry(id: string): void {
    this.#set(this.lines.value.map((line) => (line.id === id ? { id, text: line.text, state: "waiting" } : line)));
    void this.#flush();
  }

  discard(id: string): void {
    this.#set(this.lines.value.filter((line) => line.id !== id));
  }

  #set(lines: Pending[]): void {
    this.lines.value = lines;
    this.keep.save(JSON.stringify(lines));
  }

  async #flush(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (;;) {
        const line = this.lines.value.find((each) => each.state === "waiting");
        if (!line || !this.#open) return;
        try {
          const message = await this.send(line.id, line.text);
          this.stored(message);
          this.discard(line.id);
        } catch (error) {
          const cause = error instanceof CallError ? error : new CallError("internal", String(error));
          if (TRY_AGAIN.has(cause.code)) {
            await this.wait((cause.retryAfter_s ?? 1) * 1000);
          } else {
            this.#set(
              this.lines.value.map((each) => (each.id === line.id ? { ...line, state: "refused", error: cause } : each)),
            );
          }
        }
      }
    } finally {
      this.#busy = false;
    }
  }
}
