// The relays (TURN servers) of this deployment, of nobody else. What opens them lasts minutes, so
// it is asked for again long before it ends, and given to a connection each time it starts anew.

const AGAIN_MS = 4 * 60_000;
const RETRY_MS = 15_000;

export class Relays {
  servers: RTCIceServer[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  /** `ask` fetches the list; without an answer one goes without relays and tries again. */
  constructor(private readonly ask: () => Promise<RTCIceServer[]>) {
    this.start();
  }

  /** Keep the list fresh until `stop`. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#refresh();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Before an ICE restart: the connection may be older than what it was given. */
  renew(pc: RTCPeerConnection): void {
    try {
      pc.setConfiguration({ ...pc.getConfiguration(), iceServers: this.servers });
    } catch {
      // A browser that cannot goes on with what it has.
    }
  }

  async #refresh(): Promise<void> {
    let wait_ms = RETRY_MS;
    try {
      this.servers = await this.ask();
      wait_ms = AGAIN_MS;
    } catch {
      // Told nowhere: most people need no relay.
    }
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => void this.#refresh(), wait_ms);
  }
}
