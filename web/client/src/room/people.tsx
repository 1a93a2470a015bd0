// Who is here: raised hands in their order, then everybody by role; a moderator's acts beside each.

import { useEffect, useRef, useState } from "preact/hooks";
import { t, tn } from "../i18n";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { roleName } from "../words";
import type { Live, Participant, Role, Track } from "../wire";
import type { Session } from "./session";
import { initials, Whereabouts } from "./tile";

const ORDER: Role[] = ["moderator", "speaker", "member", "viewer"];
/** Rows drawn at once; the search finds the others. */
const ROWS = 200;

export function People({ session }: { session: Session }) {
  const [wanted, setWanted] = useState("");
  const [removing, setRemoving] = useState<Participant | null>(null);
  const live = session.connection.live.value!;
  const everybody = Object.values(live.participants);
  const needle = wanted.trim().toLocaleLowerCase();
  const found = everybody.filter((person) => !needle || person.name.toLocaleLowerCase().includes(needle));
  const hands = found.filter((person) => person.hand_ms !== null).sort((a, b) => a.hand_ms! - b.hand_ms!);
  const rest = found
    .filter((person) => person.hand_ms === null)
    .sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || a.name.localeCompare(b.name));
  const row = (person: Participant, place?: number) => (
    <Row key={person.identity} session={session} live={live} person={person} place={place} onRemove={setRemoving} />
  );
  return (
    <div class="people" data-test="people">
      {everybody.length > 8 && (
        <label class="people-search">
          <span class="sr-only">{t("Find a person")}</span>
          <input type="search" placeholder={t("Find a person")} value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} data-test="people-search" />
        </label>
      )}
      <div class="people-scroll" tabIndex={0} role="region" aria-label={t("People in the room")}>
        {hands.length > 0 && (
          <section>
            <h2 class="people-title amber"><Icon name="hand" />{t("Hands, first come first")}</h2>
            <ol class="people-list" data-test="hands">{hands.map((person, index) => row(person, index + 1))}</ol>
          </section>
        )}
        <section>
          <h2 class="people-title">{tn("{count} person here", "{count} people here", everybody.length)}</h2>
          <ul class="people-list" data-test="people-list">{rest.slice(0, ROWS).map((person) => row(person))}</ul>
          {rest.length > ROWS && <p class="muted pad">{tn("And {count} more: find them by name above.", "And {count} more: find them by name above.", rest.length - ROWS)}</p>}
          {found.length === 0 && <p class="muted pad">{t("Nobody here has a name like that.")}</p>}
        </section>
      </div>
      {removing && (
        <Confirm
          title={t("Remove {name}?", { name: removing.name })}
          text={t("They leave the room at once, and their invitation no longer opens it.")}
          action={t("Remove")}
          onNo={() => setRemoving(null)}
          onYes={() => { void session.act("participant.remove", { identity: removing.identity }); setRemoving(null); }}
        />
      )}
    </div>
  );
}

interface RowProps {
  session: Session;
  live: Live;
  person: Participant;
  place: number | undefined;
  onRemove: (person: Participant) => void;
}

function Row({ session, live, person, place, onRemove }: RowProps) {
  const [open, setOpen] = useState(false);
  const choices = useRef<HTMLDivElement>(null);
  useEffect(() => choices.current?.scrollIntoView({ block: "nearest" }), [open]);
  const mine = person.identity === session.connection.me.value?.identity;
  const tracks = Object.values(live.tracks).filter((track) => track.identity === person.identity);
  const speaking = session.media.speakers.value.includes(person.identity);
  const acts = actions(session, live, person, tracks, mine, onRemove);
  const microphone = tracks.find((track) => track.source === "microphone");
  const heard = microphone && !microphone.muted && !microphone.forced;
  return (
    <li class={speaking ? "person speaking" : "person"} data-test="person" data-identity={person.identity}>
      {place !== undefined && <span class="place tnum" data-test="hand-place">{place}</span>}
      <span class="avatar small" aria-hidden="true">{initials(person.name)}</span>
      <span class="person-main">
        <span class="person-name">
          <span class="person-called">{person.name}</span>
          {mine && <span class="muted">{t("you")}</span>}
          {person.synthetic && <span class="tag demo" title={t("A synthetic participant of the demonstration")}>{t("Demo")}</span>}
          {live.stage === person.identity && <span class="tally live">{t("LIVE")}</span>}
          {person.floor && person.role === "member" && <span class="tag floor">{t("Has the floor")}</span>}
        </span>
        <span class="person-facts muted">
          {roleName(person.role)}
          {person.city && <>{" · "}<Whereabouts person={person} /></>}
        </span>
      </span>
      {tracks.length > 0 && (
        <span class="person-media" title={heard ? t("Microphone on") : t("Microphone off")}>
          <Icon name={heard ? "microphone" : "microphoneOff"} />
          <span class="sr-only">{heard ? t("Microphone on") : t("Microphone off")}</span>
        </span>
      )}
      {acts.length > 0 && (
        <button type="button" class="icon-button" aria-expanded={open} aria-label={t("What to do about {name}", { name: person.name })} onClick={() => setOpen(!open)} data-test="person-menu">
          <Icon name="more" />
        </button>
      )}
      {open && (
        <div class="person-acts" role="group" aria-label={person.name} ref={choices}>
          {acts.map(({ test, label, run, warning }) => (
            <button key={test} type="button" class={warning ? "button small warning" : "button small"} onClick={() => { setOpen(false); run(); }} data-test={`act-${test}`}>{label}</button>
          ))}
        </div>
      )}
    </li>
  );
}

interface Act {
  test: string;
  label: string;
  run: () => void;
  warning?: boolean;
}

function actions(session: Session, live: Live, person: Participant, tracks: Track[], mine: boolean, onRemove: (person: Participant) => void): Act[] {
  const { identity } = person;
  const acts: Act[] = [];
  const add = (needs: string, test: string, label: string, name: string, data: object) => {
    if (session.may(needs)) acts.push({ test, label, run: () => void session.act(name, data) });
  };
  if (person.hand_ms !== null && !mine) add("hand.lower.other", "lower-hand", t("Lower hand"), "hand.lower", { identity });
  if (person.role === "member" && !person.floor) add("floor.give", "give-floor", t("Give the floor"), "floor.give", { identity });
  if (person.floor) add("floor.take", "take-floor", t("Take the floor back"), "floor.take", { identity });
  if (live.stage !== identity) add("stage.set", "stage", t("Put on stage"), "stage.set", { identity });
  else add("stage.set", "unstage", t("Take off stage"), "stage.set", { identity: null });
  for (const track of tracks) {
    if (mine || track.muted || track.forced) continue;
    const label = track.source === "microphone" ? t("Mute microphone") : track.source === "camera" ? t("Switch camera off") : track.source === "screen" ? t("Hide shared screen") : null;
    if (label) add("track.force_mute", `mute-${track.source}`, label, "track.force_mute", { track: track.id });
  }
  if (!mine && person.role === "member") add("role.set", "make-speaker", t("Make a speaker"), "role.set", { identity, role: "speaker" });
  if (!mine && person.role === "speaker") add("role.set", "make-member", t("Make a member"), "role.set", { identity, role: "member" });
  if (!mine && session.may("participant.remove")) acts.push({ test: "remove", label: t("Remove from the room"), run: () => onRemove(person), warning: true });
  return acts;
}
