// Recording: the REC sign for everybody, the question to each person, and for moderators
// starting, stopping and what was recorded.

import { useEffect, useState } from "preact/hooks";
import { day, time, viewerZone } from "../clock";
import { t, tn } from "../i18n";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import type { RecordingScope } from "../wire";
import type { Session, StoredRecording } from "./session";

/** Whether this person can be seen or heard at all, so that there is something to ask. */
function publishes(session: Session): boolean {
  return (["microphone", "camera", "screen"] as const).some((source) => session.may(`publish.${source}`));
}

/** In the room's head as long as it is recorded; pressed, what that means for oneself. */
export function RecordingTally({ session }: { session: Session }) {
  const recording = session.connection.live.value?.recording;
  const given = session.person.value?.recording_consent === true;
  return (
    <span role="status" data-test="rec-status">
      {recording && (
        <button type="button" class="tally live big rec" onClick={() => { session.open.value = "recording"; }} aria-haspopup="dialog" title={t("This room is being recorded")} data-test="rec" data-given={given}>
          <span class="rec-dot" aria-hidden="true" />
          <span aria-hidden="true">{t("REC")}</span>
          <span class="sr-only">{t("This room is being recorded")}. {given ? t("You are in the recording.") : t("You are not in the recording.")}</span>
        </button>
      )}
    </span>
  );
}

/** Asked once for each recording; closing it without an answer is a no. */
export function ConsentQuestion({ session }: { session: Session }) {
  const recording = session.connection.live.value?.recording;
  const person = session.person.value;
  if (!recording || !person || person.recording_consent !== null || !publishes(session)) return null;
  const by = session.connection.live.value!.participants[recording.by]?.name ?? recording.by;
  const answer = (given: boolean) => void session.act("recording.consent", { given });
  return (
    <Dialog key={recording.id} title={t("May you be recorded?")} onClose={() => answer(false)} test="consent">
      <p>{recording.scope === "program" ? t("{name} is recording what is on stage in this room.", { name: by }) : t("{name} is recording everybody in this room who agrees, each in a file of their own.", { name: by })}</p>
      <p>{t("Only with your yes are your voice, your picture and your shared screen recorded. Without it you take part as before, and nothing of you is kept. Moderators of this room can download the recording.")}</p>
      <p class="muted">{t("You can change your answer at any time: press REC at the top.")}</p>
      <div class="actions">
        <button type="button" class="button" onClick={() => answer(false)} data-test="consent-no" autofocus>{t("No, do not record me")}</button>
        <button type="button" class="button primary" onClick={() => answer(true)} data-test="consent-yes">{t("Yes, record me")}</button>
      </div>
    </Dialog>
  );
}

export function RecordingDialog({ session }: { session: Session }) {
  const recording = session.connection.live.value?.recording ?? null;
  const given = session.person.value?.recording_consent === true;
  const close = () => { session.open.value = null; };
  const start = (scope: RecordingScope) => void session.act("recording.start", { scope }).then((done) => { if (done) close(); });
  return (
    <Dialog title={recording ? t("This room is being recorded") : t("Recording")} onClose={close} test="recording-dialog" sheet>
      {recording && publishes(session) && (
        <>
          <p>{given ? t("You are in the recording.") : t("You are not in the recording.")}</p>
          <div class="actions">
            <button type="button" class={given ? "button warning" : "button"} onClick={() => void session.act("recording.consent", { given: !given })} data-test="recording-answer">
              {given ? t("Do not record me any more") : t("Record me from now on")}
            </button>
          </div>
        </>
      )}
      {recording && session.may("recording.stop") && (
        <div class="actions">
          <button type="button" class="button primary" onClick={() => void session.act("recording.stop")} data-test="recording-stop">{t("Stop the recording")}</button>
        </div>
      )}
      {!recording && session.may("recording.start") && (
        <>
          <p>{t("Everybody sees that it runs and is asked. Only those who agree are recorded.")}</p>
          <div class="more-list">
            <button type="button" class="more-item" onClick={() => start("program")} data-test="recording-program"><Icon name="stage" />{t("Record what is on stage")}</button>
            <button type="button" class="more-item" onClick={() => start("participants")} data-test="recording-participants"><Icon name="people" />{t("Record everybody in files of their own")}</button>
          </div>
        </>
      )}
      {session.may("recording.read") && <Recorded session={session} running={recording?.id ?? ""} />}
    </Dialog>
  );
}

/** For `ref`: what has just come takes the focus of what it replaces. */
const focused = (element: HTMLElement | null): void => element?.focus();

function Recorded({ session, running }: { session: Session; running: string }) {
  const [list, setList] = useState<StoredRecording[] | null>(null);
  const [unwanted, setUnwanted] = useState("");
  const [spared, setSpared] = useState("");
  const [deleted, setDeleted] = useState(false);
  const keep = (id: string) => {
    setUnwanted("");
    setSpared(id);
  };
  const remove = (id: string) => {
    setUnwanted("");
    void session.deleteRecording(id).then((done) => {
      if (!done) return;
      setDeleted(true);
      setList((now) => now && now.filter((each) => each.id !== id));
    });
  };
  const doubt = (id: string) => {
    setUnwanted(id);
    setDeleted(false);
  };
  useEffect(() => {
    let wanted = true;
    const read = () => void session.recordings().then((found) => { if (wanted) setList(found); }, () => {});
    read();
    // A recording's files are listed once they are finished.
    const timer = setInterval(read, 3_000);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [running]);
  const done = (list ?? []).filter(({ ended_ms }) => ended_ms !== null);
  return (
    <>
      <h3 class="dialog-sub">{t("Recordings of this room")}</h3>
      {deleted && <p class="muted" role="status" tabIndex={-1} ref={focused}>{t("The recording is deleted.")}</p>}
      {list && done.length === 0 && <p class="muted">{t("Nothing has been recorded yet.")}</p>}
      <ul class="recordings" data-test="recordings">
        {done.map((each) => (
          <li key={each.id}>
            <p class="tnum">
              {day(each.started_ms, viewerZone.value)} {time(each.started_ms, viewerZone.value)}
              {each.reason !== "stopped" && <span class="muted"> {ending(each.reason)}</span>}
            </p>
            {each.files.length === 0 && <p class="muted">{t("Nobody agreed to be recorded.")}</p>}
            {each.files.map((file) => (
              <a key={file.name} class="recording-file" href={file.url} download={file.name} data-test="recording-file">
                <span>{names(file.segments) || file.name}</span>
                <span class="muted tnum">{length(file.duration_ms)} · {size(file.bytes)}</span>
              </a>
            ))}
            {session.may("recording.delete") && (
              <div class="actions start recording-acts">
                {unwanted === each.id ? (
                  <>
                    <span>{t("Delete this recording for good?")}</span>
                    <button type="button" class="button small" onClick={() => keep(each.id)} ref={focused}>{t("Keep it")}</button>
                    <button type="button" class="button small warning" onClick={() => remove(each.id)} data-test="recording-delete-yes">{t("Delete")}</button>
                  </>
                ) : (
                  <button type="button" class="link" onClick={() => doubt(each.id)} ref={spared === each.id ? focused : undefined} data-test="recording-delete">{t("Delete this recording")}</button>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Why a recording ended by itself. */
export function ending(reason: string): string {
  switch (reason) {
    case "disk_full": return t("The disk is full. What was recorded until then is kept.");
    case "node_lost": return t("The server that recorded was interrupted. What was recorded until then is kept.");
    default: return t("The recording was interrupted. What was recorded until then is kept.");
  }
}

function names(segments: { name: string }[]): string {
  return [...new Set(segments.map(({ name }) => name))].join(", ");
}

function length(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? tn("{count} second", "{count} seconds", seconds) : tn("{count} minute", "{count} minutes", Math.round(seconds / 60));
}

function size(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
