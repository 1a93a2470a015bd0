// The room: head with the status, pictures, side panel, control bar.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { cityName } from "../cities";
import { t, tn } from "../i18n";
import { TwoClocks } from "../ui/clocks";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { kindName, roomName } from "../words";
import { ControlBar, LeaveDialog, MoreDialog } from "./bar";
import { Chat } from "./chat";
import { HelpDialog, useShortcuts } from "./keys";
import { People } from "./people";
import { DevicePicker, Meter, ModeChoice, SpeakerTest } from "./pickers";
import { ConsentQuestion, RecordingDialog, RecordingTally } from "./recording";
import type { Panel, Session } from "./session";
import { Pictures } from "./stage";
import { ReconnectBar, StatusDialog, StatusPill } from "./status";

export function RoomView({ session }: { session: Session }) {
  const live = session.connection.live.value;
  if (!live || !session.connection.me.value) return <Entering session={session} />;
  return <Inside session={session} />;
}

function Entering({ session }: { session: Session }) {
  return (
    <div class="room" aria-busy="true" data-test="entering">
      <header class="room-head"><div class="bone title" /><StatusPill session={session} /></header>
      <main class="room-main"><div class="bone stage-bone" /></main>
      <p class="sr-only" role="status">{t("Entering the room…")}</p>
      {session.open.value === "status" && <StatusDialog session={session} />}
    </div>
  );
}

function Inside({ session }: { session: Session }) {
  useShortcuts(session);
  const live = session.connection.live.value!;
  const people = Object.keys(live.participants).length;
  const text = session.media.mode.value === "text";
  const panel = session.panel.value ?? (text ? "chat" : null);
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever cannot see must hear that the room is open: the focus goes to its name.
  useEffect(() => heading.current?.focus(), []);
  return (
    <div class={`room${panel ? " with-panel" : ""}${text ? " text-only" : ""}`} data-test="room">
      <a class="skip" href="#room-panel" onClick={() => { session.panel.value = "chat"; }}>{t("Skip to the chat")}</a>
      <header class="room-head">
        <div class="room-title">
          <h1 ref={heading} tabIndex={-1} data-test="room-title">{roomName(live.room)}</h1>
          <span class="tag">{kindName(live.room.kind)}</span>
        </div>
        {live.room.city && <TwoClocks zone={live.room.zone} place={cityName(live.room.city)} />}
        <span class="room-count muted tnum" data-test="people-count">{tn("{count} person", "{count} people", people)}</span>
        {session.onStage.value && <span class="tally live big" role="status" data-test="on-air">{t("LIVE")}</span>}
        {!session.onStage.value && session.person.value?.floor && <span class="tally standby big" role="status" data-test="has-floor">{t("YOUR FLOOR")}</span>}
        <RecordingTally session={session} />
        <StatusPill session={session} />
      </header>
      <ReconnectBar session={session} />
      <Restore session={session} />
      {!text && <main class="room-main" aria-label={t("Pictures")}><Pictures session={session} /></main>}
      {panel && <SidePanel session={session} panel={panel} />}
      <ControlBar session={session} />
      <Dialogs session={session} />
      <ConsentQuestion session={session} />
    </div>
  );
}

function SidePanel({ session, panel }: { session: Session; panel: Panel }) {
  const box = useRef<HTMLElement>(null);
  const tab = (id: Panel, label: string) => (
    <button type="button" role="tab" id={`tab-${id}`} aria-selected={panel === id} aria-controls="room-panel-body" tabIndex={panel === id ? 0 : -1} onClick={() => { session.panel.value = id; }} data-test={`tab-${id}`}>
      {label}
      {id === "chat" && session.unread.value > 0 && <span class="badge tnum">{session.unread.value}</span>}
    </button>
  );
  return (
    <aside class="room-panel" id="room-panel" ref={box} tabIndex={-1} aria-label={t("Chat and people")}>
      <div class="panel-head">
        <div
          class="tabs"
          role="tablist"
          aria-label={t("Chat and people")}
          onKeyDown={(event) => {
            if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
            session.panel.value = panel === "chat" ? "people" : "chat";
            requestAnimationFrame(() => document.getElementById(`tab-${session.panel.value}`)?.focus());
          }}
        >
          {tab("chat", t("Chat"))}
          {tab("people", t("People"))}
        </div>
        {session.media.mode.value !== "text" && (
          <button type="button" class="icon-button" onClick={() => { session.panel.value = null; }} aria-label={t("Close")} data-test="panel-close"><Icon name="close" /></button>
        )}
      </div>
      <div class="panel-body" role="tabpanel" id="room-panel-body" aria-labelledby={`tab-${panel}`}>
        {panel === "chat" ? <Chat session={session} /> : <People session={session} />}
      </div>
    </aside>
  );
}

/** The one button a browser or a phone call may make necessary. */
function Restore({ session }: { session: Session }) {
  const { media } = session;
  const blocked = media.sound.blocked.value;
  if (!blocked && !media.interrupted.value) return null;
  return (
    <button type="button" class="restore" onClick={() => void media.restoreSound()} data-test="tap-for-sound">
      <Icon name="soundOff" />
      {blocked ? t("Tap for sound") : t("Your microphone was interrupted. Tap to restore it")}
    </button>
  );
}

function Dialogs({ session }: { session: Session }) {
  switch (session.open.value) {
    case "help": return <HelpDialog session={session} />;
    case "status": return <StatusDialog session={session} />;
    case "leave": return <LeaveDialog session={session} />;
    case "more": return <MoreDialog session={session} />;
    case "recording": return <RecordingDialog session={session} />;
    case "settings": return <Settings session={session} />;
    case null: return null;
  }
}

function Settings({ session }: { session: Session }) {
  const { media } = session;
  const body = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => body.current?.scrollTo(0, 0), []);
  return (
    <Dialog title={t("Devices and network")} onClose={() => { session.open.value = null; }} test="settings-dialog" sheet>
      <div class="fields" ref={body}>
        {session.may("publish.microphone") && (
          <>
            <DevicePicker kind="microphone" media={media} />
            <Meter track={media.microphoneOn.value ? media.microphone.value : null} />
            <DevicePicker kind="camera" media={media} />
          </>
        )}
        <DevicePicker kind="speaker" media={media} />
        <SpeakerTest />
      </div>
      <ModeChoice value={media.mode.value} onChange={(mode) => media.setMode(mode)} />
    </Dialog>
  );
}
