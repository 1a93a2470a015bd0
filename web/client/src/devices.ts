// Cameras, microphones and loudspeakers: asking for them, saying in words why one cannot be had,
// remembering the viewer's choice. Opens devices; whoever asked owns and stops the tracks.

import { signal } from "@preact/signals";

export type DeviceKind = "microphone" | "camera";

/**
 * `refused`: the viewer or the system said no; `missing`: there is none; `busy`: another program has
 * it; `insecure`: the page is not served over HTTPS; `inapp`: a chat app's browser that cannot.
 */
export type TroubleKind = "refused" | "missing" | "busy" | "insecure" | "inapp" | "unknown";

export class DeviceTrouble extends Error {
  constructor(
    readonly kind: TroubleKind,
    readonly device: DeviceKind | "screen",
    detail = "",
  ) {
    super(detail || kind);
    this.name = "DeviceTrouble";
  }
}

export interface Choice {
  microphone: string;
  camera: string;
  speaker: string;
}

const KEY = "yunhai.devices";

/** Device ids the viewer chose; "" is the system's default. */
export const choice = signal<Choice>(stored());
export const devices = signal<MediaDeviceInfo[]>([]);

function stored(): Choice {
  const empty: Choice = { microphone: "", camera: "", speaker: "" };
  try {
    return { ...empty, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Choice>) };
  } catch {
    return empty;
  }
}

export function choose(kind: keyof Choice, deviceId: string): void {
  choice.value = { ...choice.value, [kind]: deviceId };
  localStorage.setItem(KEY, JSON.stringify(choice.value));
}

export async function refreshDevices(): Promise<MediaDeviceInfo[]> {
  devices.value = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return devices.value;
}

export function watchDevices(changed: (gone: MediaDeviceInfo[], come: MediaDeviceInfo[]) => void): () => void {
  const media = navigator.mediaDevices;
  if (!media) return () => {};
  const listen = async () => {
    const before = devices.value;
    const after = await refreshDevices();
    const missing = (from: MediaDeviceInfo[], list: MediaDeviceInfo[]) =>
      from.filter((one) => one.deviceId && !list.some((other) => other.deviceId === one.deviceId && other.kind === one.kind));
    changed(missing(before, after), missing(after, before));
  };
  media.addEventListener("devicechange", listen);
  return () => media.removeEventListener("devicechange", listen);
}

const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const CAMERA: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };

/** Open one device: the chosen one, or the default when that one is gone. Rejects with DeviceTrouble. */
export async function openDevice(kind: DeviceKind, deviceId: string = choice.value[kind]): Promise<MediaStreamTrack> {
  const media = navigator.mediaDevices;
  if (!media?.getUserMedia) throw new DeviceTrouble(inAppBrowser() ? "inapp" : "insecure", kind);
  const shape = kind === "microphone" ? MICROPHONE : CAMERA;
  const ask = async (id: string) => {
    const constraints: MediaTrackConstraints = id ? { ...shape, deviceId: { exact: id } } : shape;
    const stream = await media.getUserMedia(kind === "microphone" ? { audio: constraints } : { video: constraints });
    return stream.getTracks()[0]!;
  };
  try {
    return await ask(deviceId);
  } catch (error) {
    if (deviceId && ["OverconstrainedError", "NotFoundError"].includes((error as Error).name)) {
      try {
        return await ask("");
      } catch (again) {
        throw trouble(again, kind);
      }
    }
    throw trouble(error, kind);
  } finally {
    await refreshDevices();
  }
}

/** Ask what to share. Resolves null when the viewer closed the question. */
export async function openScreen(): Promise<MediaStream | null> {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: true });
    const picture = stream.getVideoTracks()[0];
    if (picture) picture.contentHint = "detail";
    return stream;
  } catch (error) {
    if ((error as Error).name === "NotAllowedError") return null;
    throw trouble(error, "screen");
  }
}

export function canShare(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

function trouble(error: unknown, device: DeviceKind | "screen"): DeviceTrouble {
  const { name, message } = error as Error;
  const kinds: Record<string, TroubleKind> = {
    NotAllowedError: "refused",
    SecurityError: "refused",
    NotFoundError: "missing",
    OverconstrainedError: "missing",
    NotReadableError: "busy",
    AbortError: "busy",
  };
  return new DeviceTrouble(kinds[name] ?? "unknown", device, message);
}

/** Browsers inside chat apps that often have no camera or microphone. */
export function inAppBrowser(agent: string = navigator.userAgent): boolean {
  return /MicroMessenger|DingTalk|Weibo|QQ\/|FBAN|FBAV|Instagram|Line\//.test(agent);
}
