// Everybody else's sound: one audio element per received track, on the chosen loudspeaker, and the
// one button a browser may demand before it lets a page be heard.

import { signal } from "@preact/signals";

export class Sound {
  /** The browser wants a gesture first. */
  readonly blocked = signal(false);
  #elements = new Map<string, HTMLAudioElement>();
  #speaker = "";

  /** Play exactly these tracks, by id. */
  play(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    for (const [id, element] of this.#elements) {
      const track = tracks.get(id);
      if (track && (element.srcObject as MediaStream).getTracks()[0] === track) continue;
      element.srcObject = null;
      element.remove();
      this.#elements.delete(id);
    }
    for (const [id, track] of tracks) {
      if (this.#elements.has(id)) continue;
      const element = new Audio();
      element.autoplay = true;
      element.dataset["track"] = id;
      element.srcObject = new MediaStream([track]);
      // A phone call or Siri pauses the element and nobody starts it again.
      element.addEventListener("pause", () => {
        if (this.#elements.get(id) === element && track.readyState === "live") this.#start(element);
      });
      this.#elements.set(id, element);
      document.body.append(element);
      void this.#route(element);
      this.#start(element);
    }
  }

  /** Try again everything that was held back; call from a gesture. */
  unlock(): void {
    this.blocked.value = false;
    for (const element of this.#elements.values()) this.#start(element);
  }

  async useSpeaker(deviceId: string): Promise<void> {
    this.#speaker = deviceId;
    await Promise.all([...this.#elements.values()].map((element) => this.#route(element)));
  }

  close(): void {
    this.play(new Map());
  }

  #start(element: HTMLAudioElement): void {
    element.play().catch((error: Error) => {
      if (error.name === "NotAllowedError") this.blocked.value = true;
    });
  }

  async #route(element: HTMLAudioElement): Promise<void> {
    if (!this.#speaker || !("setSinkId" in element)) return;
    // A loudspeaker that is gone: the default one plays.
    await element.setSinkId(this.#speaker).catch(() => element.setSinkId("").catch(() => {}));
  }
}
