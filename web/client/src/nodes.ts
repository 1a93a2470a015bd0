// Which node to try next, and how long to wait: the one we were on, then the others, never all
// clients at the same moment.

const FIRST_MS = 300;
const LONGEST_MS = 8_000;

/** Wait before attempt `attempt` (1, 2, …): doubling, half of it left to chance. */
export function backoff_ms(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1));
  return Math.round(full / 2 + random() * (full / 2));
}

export class NodeList {
  #urls: string[];

  constructor(home: string) {
    this.#urls = [home];
  }

  /** The node to try now. */
  next(): string {
    return this.#urls[0]!;
  }

  /** Put a node that did not answer, or that drains, last. */
  failed(url: string): void {
    if (this.#urls.length < 2 || this.#urls[0] !== url) return;
    this.#urls = [...this.#urls.slice(1), url];
  }

  /** Take the list given at join; the node that answered stays first. */
  learn(urls: readonly string[], current: string): void {
    const others = urls.filter((url) => origin(url) && origin(url) !== origin(current));
    this.#urls = [current, ...new Set(others)];
  }
}

function origin(url: string): string | null {
  try {
    const parsed = new URL(url);
    return parsed.protocol === "https:" || parsed.protocol === "http:" ? parsed.origin : null;
  } catch {
    return null;
  }
}
