// The status pill: how one is connected, in a word; pressed, what it means and one thing to do.

import { computed, type ReadonlySignal } from "@preact/signals";
import { now_ms, offset_ms } from "../clock";
import { t, tn } from "../i18n";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import type { Way } from "../readings";
import { ConnectionPanel } from "./connection";
import type { Session } from "./session";

export type Status = "connecting" | "connected" | "reconnecting" | "media" | "weak" | "audio" | "text";

export function statusOf(session: Session): ReadonlySignal<Status> {
  return computed(() => {
    const { connection, media } = session;
    if (connection.link.value === "connecting") return "connecting";
    if (connection.link.value !== "connected") return "reconnecting";
    if (media.mode.value === "text") return "text";
    if (media.failing.value) return "media";
    if (media.paused.value.size > 0) return "weak";
    return media.mode.value === "audio" ? "audio" : "connected";
  });
}

/** How it stands; while all is well, also a way that is not the straight one. */
function word(status: Status, way: Way | null = null): string {
  if (status === "connected" && way?.relayed) return t("Connected by a relay");
  if (status === "connected" && way?.protocol === "tcp") return t("Connected by TCP");
  switch (status) {
    case "connecting": return t("Connecting…");
    case "connected": return t("Connected");
    case "reconnecting": return t("Reconnecting (seat kept)");
    case "media": return t("Restoring sound and picture");
    case "weak": return t("Weak network");
    case "audio": return t("Audio first");
    case "text": return t("Text only");
  }
}

function meaning(status: Status): string {
  switch (status) {
    case "connecting": return t("We are taking your seat in the room.");
    case "connected": return t("You see, hear and read everything.");
    case "reconnecting": return t("The connection was interrupted. Your seat, your hand and what you write are kept; sound may go on meanwhile. We try again by ourselves.");
    case "media": return t("Chat and people work. Sound and picture were interrupted and are being restored by themselves.");
    case "weak": return t("Your network cannot carry every picture just now, so some are paused. Sound goes first.");
    case "audio": return t("You chose to receive sound and shared screens without cameras.");
    case "text": return t("You chose to receive chat, people and hands without sound and pictures.");
  }
}

export function StatusPill({ session }: { session: Session }) {
  const status = statusOf(session).value;
  const way = session.observer.readings.value.at(-1)?.way ?? null;
  return (
    <button type="button" class={`pill ${status}`} onClick={() => { session.open.value = "status"; }} aria-haspopup="dialog" data-test="status-pill" data-status={status} data-way={way ? `${way.protocol}${way.relayed ? " relay" : ""}` : ""}>
      <span class="pill-dot" />
      <span class="pill-word">{word(status, way)}</span>
    </button>
  );
}

export function StatusDialog({ session }: { session: Session }) {
  const status = statusOf(session).value;
  const close = () => { session.open.value = null; };
  const wait_s = Math.ceil((session.connection.nextTry_ms.value - (now_ms.value - offset_ms.value)) / 1000);
  const action = {
    connecting: null,
    reconnecting: { label: t("Try now"), run: session.connection.reconnectNow },
    connected: null,
    media: { label: t("Go on with text only"), run: () => session.media.setMode("text") },
    weak: { label: t("Switch to audio first"), run: () => session.media.setMode("audio") },
    audio: { label: t("Receive everything"), run: () => session.media.setMode("everything") },
    text: { label: t("Receive everything"), run: () => session.media.setMode("everything") },
  }[status];
  return (
    <Dialog title={word(status)} onClose={close} test="status-dialog">
      <p>{meaning(status)}</p>
      {status === "reconnecting" && wait_s > 0 && <p class="muted">{tn("Next attempt in {count} second", "Next attempt in {count} seconds", wait_s)}</p>}
      {action && (
        <div class="actions">
          <button type="button" class="button primary" onClick={() => { action.run(); close(); }} data-test="status-action">{action.label}</button>
        </div>
      )}
      {session.connection.live.value && <ConnectionPanel session={session} status={status} />}
    </Dialog>
  );
}

/** Shown across the top while the seat is kept but the room cannot be reached. */
export function ReconnectBar({ session }: { session: Session }) {
  if (session.connection.link.value !== "reconnecting") return null;
  return (
    <div class="reconnect-bar" role="status" data-test="reconnecting">
      <Icon name="pulse" />
      <span>{t("Connection lost. Your seat is kept; we are reconnecting.")}</span>
      <button type="button" class="button small" onClick={session.connection.reconnectNow}>{t("Try now")}</button>
    </div>
  );
}
