// Choosing devices and how much to receive, the same before the room and in it.

import { useEffect, useRef, useState } from "preact/hooks";
import { choice, devices, refreshDevices } from "../devices";
import { t } from "../i18n";
import type { Media, Mode } from "../media";
import { playTestTone, watchLevel } from "../meter";
import { Icon } from "../ui/icons";

const TYPES = { microphone: "audioinput", camera: "videoinput", speaker: "audiooutput" } as const;

export function DevicePicker({ kind, media }: { kind: keyof typeof TYPES; media: Media }) {
  useEffect(() => void refreshDevices(), []);
  const found = devices.value.filter((device) => device.kind === TYPES[kind] && device.deviceId !== "default" && device.deviceId !== "communications" && device.label);
  // Without a permission there are no names, and in some browsers no loudspeaker choice at all.
  if (kind === "speaker" && found.length === 0) return null;
  const label = kind === "microphone" ? t("Microphone") : kind === "camera" ? t("Camera") : t("Loudspeaker");
  const chosen = found.some((device) => device.deviceId === choice.value[kind]) ? choice.value[kind] : "";
  return (
    <label class="field">
      <span>{label}</span>
      <select value={chosen} onChange={(event) => void media.use(kind, event.currentTarget.value)} data-test={`device-${kind}`}>
        <option value="">{t("The system's default")}</option>
        {found.map((device) => <option key={device.deviceId} value={device.deviceId}>{device.label}</option>)}
      </select>
    </label>
  );
}

export function Meter({ track }: { track: MediaStreamTrack | null }) {
  const bar = useRef<HTMLDivElement>(null);
  const [heard, setHeard] = useState(false);
  useEffect(() => {
    setHeard(false);
    if (!track) return;
    let loud = 0;
    return watchLevel(track, (level) => {
      bar.current?.style.setProperty("--level", level.toFixed(3));
      loud = level > 0.35 ? loud + 1 : loud;
      if (loud === 4) setHeard(true);
    });
  }, [track]);
  return (
    <div class="meter-row">
      <div class="meter" ref={bar} role="img" aria-label={t("Microphone level")} data-test="meter"><span /></div>
      <p class={heard ? "meter-word good" : "meter-word"} role="status" data-test="meter-word">
        {track === null ? t("The microphone is off") : heard ? t("We can hear you") : t("Say something…")}
      </p>
    </div>
  );
}

export function SpeakerTest() {
  const [playing, setPlaying] = useState(false);
  return (
    <button
      type="button"
      class="button small"
      disabled={playing}
      data-test="speaker-test"
      onClick={() => {
        setPlaying(true);
        void playTestTone(choice.value.speaker).catch(() => {}).finally(() => setPlaying(false));
      }}
    >
      <Icon name="sound" />
      {playing ? t("Two notes are playing…") : t("Test the loudspeaker")}
    </button>
  );
}

export function ModeChoice({ value, onChange }: { value: Mode; onChange: (mode: Mode) => void }) {
  const modes: { id: Mode; name: string; meaning: string }[] = [
    { id: "everything", name: t("Everything"), meaning: t("Sound, pictures and shared screens") },
    { id: "audio", name: t("Audio first"), meaning: t("Sound and shared screens, no cameras: for a weak network") },
    { id: "text", name: t("Text only"), meaning: t("Chat, people and hands: works on almost any network") },
  ];
  return (
    <fieldset class="modes">
      <legend>{t("How much to receive")}</legend>
      {modes.map(({ id, name, meaning }) => (
        <label key={id} class="mode">
          <input type="radio" name="mode" value={id} checked={value === id} onChange={() => onChange(id)} data-test={`mode-${id}`} />
          <span><strong>{name}</strong><span class="muted">{meaning}</span></span>
        </label>
      ))}
    </fieldset>
  );
}
