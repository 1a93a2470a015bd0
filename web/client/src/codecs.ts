// What this browser can decode.

import type { Track } from "./wire";

let names: ReadonlySet<string> | null = null;

/** Whether a camera or screen of somebody can be shown here; yes if the browser does not say. */
export function decodable({ codec, source }: Pick<Track, "codec" | "source">): boolean {
  if (source === "microphone" || source === "screen_audio") return true;
  names ??= new Set((globalThis.RTCRtpReceiver?.getCapabilities?.("video")?.codecs ?? []).map(({ mimeType }) => bare(mimeType)));
  return names.size === 0 || codec === "" || names.has(bare(codec));
}

function bare(name: string): string {
  return name.toLowerCase().replace(/^video\//, "");
}
