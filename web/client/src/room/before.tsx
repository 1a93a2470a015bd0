// Before you enter: own picture, microphone meter, loudspeaker test, how much to receive. Trouble
// with a device is explained and never stands in the way: one may always enter as a listener.

import { useEffect, useState } from "preact/hooks";
import type { DeviceKind } from "../devices";
import { ask, type RoomList } from "../http";
import { t, tn } from "../i18n";
import type { Mode } from "../media";
import { allows } from "../permissions";
import { storedToken } from "../token";
import { TwoClocks } from "../ui/clocks";
import { Icon, Logo } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { cityName } from "../cities";
import { explainTrouble, kindName, roleName, roomName } from "../words";
import { DevicePicker, Meter, ModeChoice, SpeakerTest } from "./pickers";
import type { Session } from "./session";
import { Picture } from "./tile";

export function Before({ session }: { session: Session }) {
  const { media, claimed, connection } = session;
  const [list, setList] = useState<RoomList | null>(null);
  const [mode, setMode] = useState<Mode>(media.mode.value);
  const room = list?.rooms.find(({ id }) => id === session.room);
  const speaks = claimed.role !== "viewer" && (!room || allows("publish.microphone", claimed.role, room.kind));

  useEffect(() => {
    const token = storedToken();
    if (!token) return;
    ask<RoomList>("/api/v1/rooms", token).then(setList, (error: { code?: string }) => {
      if (error.code === "bad_token") connection.ending.value = { reason: "bad_token" };
      else setList({ rooms: [], you: { identity: "", name: claimed.name, role: claimed.role } });
    });
  }, []);
  // Devices are asked for only once it is known that this person may use them here.
  useEffect(() => {
    if (!list || !speaks) return;
    if (mode === "text") return;
    void media.setMicrophone(true).then(() => (mode === "everything" ? media.setCamera(true) : undefined));
  }, [list, speaks]);

  const enter = (listener: boolean) => {
    if (listener) {
      void media.setMicrophone(false);
      void media.setCamera(false);
    }
    void session.enter(mode);
  };
  const pick = (next: Mode) => {
    setMode(next);
    if (next !== "everything") void media.setCamera(false);
    if (next === "text") void media.setMicrophone(false);
  };
  return (
    <div class="page before">
      <header class="page-head">
        <a class="brand" href="/"><Logo /><span>{t("Yunhai")}</span></a>
        <LanguageChoice />
      </header>
      <main data-test="before">
        <div class="before-head">
          <p class="muted">{t("Before you enter")}</p>
          <h1 data-test="before-title">{room ? roomName(room) : session.room}</h1>
          <p class="before-facts">
            {room && <span class="tag">{kindName(room.kind)}</span>}
            {room?.city && <TwoClocks zone={room.zone} place={cityName(room.city)} />}
            {room && <span class="muted">{room.people > 0 ? tn("{count} person in", "{count} people in", room.people) : t("Nobody is in yet")}</span>}
          </p>
        </div>
        <div class="before-body">
          {!list ? <div class="bone preview-bone" aria-busy="true" /> : speaks ? <Preview session={session} mode={mode} /> : <Listening viewer={claimed.role === "viewer"} />}
          <div class="before-side">
            <p class="you-are" data-test="you-are">
              <span class="muted">{t("Others see you as")}</span>
              <strong>{list?.you.name || claimed.name}</strong>
              <span class="tag">{roleName(list?.you.role ?? claimed.role)}</span>
            </p>
            {list && speaks && (
              <div class="fields">
                {mode !== "text" && <DevicePicker kind="microphone" media={media} />}
                {mode === "everything" && <DevicePicker kind="camera" media={media} />}
              </div>
            )}
            {mode !== "text" && (
              <div class="fields speaker-row">
                <DevicePicker kind="speaker" media={media} />
                <SpeakerTest />
              </div>
            )}
            <ModeChoice value={mode} onChange={pick} />
          </div>
        </div>
        <div class="before-actions">
          <button type="button" class="button primary large" onClick={() => enter(false)} data-test="enter">{t("Enter the room")}</button>
          {list && speaks && mode !== "text" && (
            <button type="button" class="button large" onClick={() => enter(true)} data-test="enter-listener">{t("Enter as listener")}</button>
          )}
        </div>
      </main>
    </div>
  );
}

function Preview({ session, mode }: { session: Session; mode: Mode }) {
  const { media, claimed } = session;
  const { microphoneOn, cameraOn, camera, microphone } = media;
  return (
    <div class="preview">
      <div class="preview-picture" data-test="preview">
        {cameraOn.value && camera.value
          ? <Picture track={camera.value} mirrored label={t("Your own picture")} />
          : <p class="preview-none">{mode === "everything" ? t("Your camera is off") : t("You enter without a camera")}</p>}
        <span class="tile-name">{claimed.name}</span>
      </div>
      <div class="preview-bar">
        <Switch on={microphoneOn.value} name="microphone" label={t("Mic")} disabled={mode === "text"} onClick={() => void media.setMicrophone(!microphoneOn.value)} />
        <Switch on={cameraOn.value} name="camera" label={t("Camera")} disabled={mode !== "everything"} onClick={() => void media.setCamera(!cameraOn.value)} />
      </div>
      {mode !== "text" && <Meter track={microphoneOn.value ? microphone.value : null} />}
      {Object.values(media.troubles.value).map((trouble) => {
        if (!trouble) return null;
        const { cause, next } = explainTrouble(trouble);
        return (
          <div key={trouble.device} class="note warning" role="alert" data-test={`trouble-${trouble.device}`} data-kind={trouble.kind}>
            <p><strong>{cause}</strong> {next}</p>
            {trouble.kind === "inapp"
              ? <button type="button" class="button small" onClick={() => void navigator.clipboard?.writeText(location.href)}>{t("Copy the link")}</button>
              : <button type="button" class="button small" onClick={() => void (trouble.device === "camera" ? media.setCamera(true) : media.setMicrophone(true))}>{t("Try again")}</button>}
          </div>
        );
      })}
    </div>
  );
}

function Switch({ on, name, label, disabled, onClick }: { on: boolean; name: DeviceKind; label: string; disabled: boolean; onClick: () => void }) {
  return (
    <button type="button" class={on ? "switch on" : "switch"} aria-pressed={on} disabled={disabled} onClick={onClick} data-test={`before-${name}`}>
      <Icon name={on ? name : `${name}Off`} />
      <span>{label}</span>
      <span class="switch-state">{on ? t("on") : t("off")}</span>
    </button>
  );
}

function Listening({ viewer }: { viewer: boolean }) {
  return (
    <div class="preview listening">
      <Icon name="sound" />
      <h2>{t("You enter as audience")}</h2>
      <p>
        {viewer
          ? t("You see and hear everything and can write in the chat. Nobody sees or hears you.")
          : t("You see and hear everything and can write in the chat. Raise your hand to speak: a moderator gives you the floor.")}
      </p>
    </div>
  );
}

