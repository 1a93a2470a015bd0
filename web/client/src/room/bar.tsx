// The one control bar: what a person does about themselves. On a phone it is under the thumb, and
// what does not fit is behind "More".

import { canShare } from "../devices";
import { t, tn } from "../i18n";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import type { Session } from "./session";

interface ControlProps {
  icon: string;
  label: string;
  test: string;
  shortcut?: string;
  pressed?: boolean;
  off?: boolean;
  busy?: boolean;
  badge?: number;
  badgeLabel?: string;
  wide?: boolean;
  tone?: string;
  onClick: () => void;
}

function Control({ icon, label, test, shortcut, pressed, off, busy, badge, badgeLabel, wide, tone, onClick }: ControlProps) {
  return (
    <button
      type="button"
      class={`control${pressed ? " pressed" : ""}${off ? " off" : ""}${wide ? " wide-only" : ""}${tone ? ` ${tone}` : ""}`}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      {...(shortcut ? { "aria-keyshortcuts": shortcut, title: `${label} (${shortcut})` } : { title: label })}
      aria-busy={busy === true}
      data-test={test}
      onClick={onClick}
    >
      <Icon name={icon} />
      <span class="control-word">{label}</span>
      {badge ? <span class="badge tnum" data-test={`${test}-badge`}>{badge > 99 ? "99+" : badge}<span class="sr-only"> {badgeLabel}</span></span> : null}
    </button>
  );
}

export function ControlBar({ session }: { session: Session }) {
  const { media, panel, layout, open } = session;
  const speaks = session.may("publish.microphone");
  const text = media.mode.value === "text";
  const hands = Object.values(session.connection.live.value!.participants).filter((person) => person.hand_ms !== null).length;
  const up = session.person.value?.hand_ms != null;
  return (
    <footer class="bar" data-test="bar">
      <div class="bar-group">
        {speaks && !text && (
          <Control icon={media.microphoneOn.value ? "microphone" : "microphoneOff"} label={t("Mic")} test="mic" shortcut="M" off={!media.microphoneOn.value} pressed={media.microphoneOn.value} busy={media.busy.value.has("microphone")} onClick={() => void media.setMicrophone(!media.microphoneOn.value)} />
        )}
        {speaks && media.mode.value === "everything" && (
          <Control icon={media.cameraOn.value ? "camera" : "cameraOff"} label={t("Camera")} test="camera" shortcut="V" off={!media.cameraOn.value} pressed={media.cameraOn.value} busy={media.busy.value.has("camera")} onClick={() => void media.setCamera(!media.cameraOn.value)} />
        )}
        {speaks && !text && canShare() && (
          <Control icon="screen" label={t("Share")} test="share" shortcut="S" pressed={media.screen.value !== null} wide onClick={() => void media.share(media.screen.value === null)} />
        )}
        {session.may("hand.raise") && (
          <Control icon="hand" label={t("Hand")} test="hand" shortcut="H" pressed={up} tone="amber" onClick={() => session.toggleHand()} />
        )}
      </div>
      <div class="bar-group">
        {!text && <Control icon={layout.value === "stage" ? "grid" : "stage"} label={layout.value === "stage" ? t("Grid view") : t("Stage view")} test="layout" shortcut="G" wide onClick={() => { layout.value = layout.value === "stage" ? "grid" : "stage"; }} />}
        <Control icon="chat" label={t("Chat")} test="chat-toggle" shortcut="C" pressed={panel.value === "chat"} badge={session.unread.value} badgeLabel={tn("unread message", "unread messages", session.unread.value)} onClick={() => session.togglePanel("chat")} />
        <Control icon="people" label={t("People")} test="people-toggle" shortcut="P" pressed={panel.value === "people"} badge={session.may("floor.give") ? hands : 0} badgeLabel={tn("raised hand", "raised hands", hands)} onClick={() => session.togglePanel("people")} />
        {session.may("recording.start") && <Control icon="record" label={t("Record")} test="record" pressed={session.connection.live.value!.recording !== null} wide onClick={() => { open.value = "recording"; }} />}
        <Control icon="language" label={t("Language")} test="language" wide onClick={() => { open.value = "more"; }} />
        <Control icon="devices" label={t("Settings")} test="settings" wide onClick={() => { open.value = "settings"; }} />
        <span class="narrow-only"><Control icon="more" label={t("More")} test="more" onClick={() => { open.value = "more"; }} /></span>
      </div>
      <div class="bar-group">
        <Control icon="leave" label={t("Leave")} test="leave" onClick={() => { open.value = "leave"; }} />
      </div>
    </footer>
  );
}

export function LeaveDialog({ session }: { session: Session }) {
  const close = () => { session.open.value = null; };
  return (
    <Dialog title={t("Leave the room?")} onClose={close} test="leave-dialog">
      <p>{t("Others see that you have left. You can come back while the room is open.")}</p>
      <div class="actions">
        <button type="button" class="button" onClick={close}>{t("Stay")}</button>
        <button type="button" class="button primary" onClick={() => { close(); void session.leave(); }} data-test="leave-yes" autofocus>{t("Leave")}</button>
      </div>
    </Dialog>
  );
}

/** Language on a wide screen; on a phone also everything that the bar has no room for. */
export function MoreDialog({ session }: { session: Session }) {
  const { media, layout, open } = session;
  const close = () => { open.value = null; };
  const sharing = media.screen.value !== null;
  return (
    <Dialog title={t("More")} onClose={close} test="more-dialog" sheet>
      <div class="more-list narrow-only">
        <button type="button" class="more-item" onClick={() => { layout.value = layout.value === "stage" ? "grid" : "stage"; close(); }} data-test="more-layout">
          <Icon name={layout.value === "stage" ? "grid" : "stage"} />{layout.value === "stage" ? t("Grid view") : t("Stage view")}
        </button>
        {session.may("publish.screen") && canShare() && media.mode.value !== "text" && (
          <button type="button" class="more-item" onClick={() => { close(); void media.share(!sharing); }} data-test="more-share"><Icon name="screen" />{sharing ? t("Stop sharing") : t("Share a screen")}</button>
        )}
        <button type="button" class="more-item" onClick={() => { open.value = "settings"; }} data-test="more-settings"><Icon name="devices" />{t("Devices and network")}</button>
        {session.may("recording.start") && <button type="button" class="more-item" onClick={() => { open.value = "recording"; }} data-test="more-record"><Icon name="record" />{t("Record")}</button>}
        <button type="button" class="more-item" onClick={() => { open.value = "status"; }}><Icon name="pulse" />{t("Connection")}</button>
      </div>
      <h3 class="dialog-sub">{t("Language of this page")}</h3>
      <LanguageChoice />
      <div class="more-list wide-only">
        <button type="button" class="more-item" onClick={() => { open.value = "help"; }} data-test="more-help"><Icon name="help" />{t("Keyboard shortcuts")}</button>
      </div>
    </Dialog>
  );
}
