// One person's picture, or their name where there is none; tells the media what size is shown.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { cityName, cityZone } from "../cities";
import { now_ms, time } from "../clock";
import { decodable } from "../codecs";
import { t } from "../i18n";
import type { Featured, Shown } from "../layout";
import { Icon } from "../ui/icons";
import type { Participant, Track } from "../wire";
import type { Session } from "./session";

/** A moving picture without sound. */
export function Picture({ track, mirrored, label, whole }: { track: MediaStreamTrack; mirrored?: boolean; label: string; whole?: boolean }) {
  const element = useRef<HTMLVideoElement>(null);
  const [shown, setShown] = useState(false);
  useLayoutEffect(() => {
    const video = element.current!;
    setShown(false);
    video.srcObject = new MediaStream([track]);
    video.play().catch(() => {});
    return () => {
      video.srcObject = null;
    };
  }, [track]);
  return <video ref={element} class={`picture${mirrored ? " mirrored" : ""}${whole ? " whole" : ""}${shown ? "" : " waiting"}`} onLoadedData={() => setShown(true)} autoplay muted playsInline aria-label={label} />;
}

/** Ask for a track at the size an element has on the screen, while it can be seen. */
function useWish(session: Session, track: Track | undefined) {
  const element = useRef<HTMLDivElement>(null);
  const tile = useMemo(() => Symbol("tile"), []);
  const id = track?.id;
  const source = track?.source;
  useEffect(() => {
    const { view } = session.media;
    if (!id || !source) return;
    let seen = true;
    const tell = () => {
      const box = element.current?.getBoundingClientRect();
      const scale = devicePixelRatio || 1;
      if (seen && box && box.width > 0 && box.height > 0) view.show(tile, id, source, Math.round(box.width * scale), Math.round(box.height * scale));
      else view.hide(tile);
    };
    const sizes = new ResizeObserver(tell);
    const sight = new IntersectionObserver(([entry]) => {
      seen = entry!.isIntersecting;
      tell();
    });
    sizes.observe(element.current!);
    sight.observe(element.current!);
    return () => {
      sizes.disconnect();
      sight.disconnect();
      view.hide(tile);
    };
  }, [session, tile, id, source]);
  return element;
}

export function initials(name: string): string {
  const words = name.trim().split(/[\s·・]+/u).filter(Boolean);
  const first = [...(words[0] ?? "?")];
  // A Chinese, Japanese or Korean name is known by its last one or two characters; a Latin one by its initials.
  if (CJK.test(first[0]!)) return first.slice(-2).join("");
  const last = words.filter((word) => !CJK.test(word)).at(-1)!;
  return (words[0] === last ? first[0]! : first[0]! + [...last][0]!).toUpperCase();
}

const CJK = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/u;

interface Props {
  session: Session;
  shown: Shown;
  source?: Featured["source"];
  large?: boolean;
}

export function Tile({ session, shown, source = "camera", large }: Props) {
  const { media, connection, pinned } = session;
  const { person, microphone } = shown;
  const mine = person.identity === connection.me.value?.identity;
  const track = source === "screen" ? shown.screen : shown.camera;
  const sent = mine ? (source === "screen" ? media.screen.value : media.cameraOn.value ? media.camera.value : null) : null;
  const wished = !mine && track && !track.muted && !track.forced && decodable(track) ? track : undefined;
  const element = useWish(session, wished);
  const received = wished ? media.subscriber.received.value.get(wished.id) ?? null : null;
  const foreign = !mine && track !== undefined && media.mode.value !== "text" && !decodable(track);
  const unwanted = media.mode.value === "text" || (media.mode.value === "audio" && source === "camera");
  const held = wished !== undefined && !unwanted && media.paused.value.has(wished.id);
  // What stands still is not shown: it would look like a person who does not move.
  const picture = sent ?? (unwanted || held ? null : received);
  const silent = mine ? !media.microphoneOn.value : !microphone || microphone.muted || microphone.forced;
  const speaking = !silent && media.speakers.value.includes(person.identity);
  const staged = connection.live.value?.stage === person.identity;
  const isPinned = pinned.value?.identity === person.identity && pinned.value.source === source;
  return (
    <div
      ref={element}
      class={`tile${large ? " large" : ""}${speaking && source === "camera" ? " speaking" : ""}${source === "screen" ? " is-screen" : ""}`}
      role="group"
      aria-label={source === "screen" ? t("Screen of {name}", { name: person.name }) : person.name}
      data-test="tile"
      data-identity={person.identity}
      data-source={source}
      data-video={picture !== null}
    >
      <NoPicture person={person} large={large === true} />
      {picture
        && <Picture key={picture.id} track={picture} mirrored={mine && source === "camera"} whole={source === "screen"} label={source === "screen" ? t("Screen of {name}", { name: person.name }) : t("Picture of {name}", { name: person.name })} />}
      <div class="tile-marks">
        {staged && <span class="tally live" data-test="tally-live">{t("LIVE")}</span>}
        {person.synthetic && <span class="tag demo" title={t("A synthetic participant of the demonstration")}>{t("Demo")}</span>}
        {person.hand_ms !== null && <span class="mark amber" title={t("Hand raised")}><Icon name="hand" /><span class="sr-only">{t("Hand raised")}</span></span>}
        {held && <span class="mark amber" title={t("Picture paused: weak network")} data-test="paused"><Icon name="pulse" /><span class="paused-words">{t("Picture paused: weak network")}</span></span>}
        {foreign && <span class="mark amber" data-test="undecodable">{t("This browser cannot show {codec} video", { codec: track!.codec })}</span>}
      </div>
      <div class="tile-name">
        {source === "camera" && silent && <span class="tile-silent" title={t("Microphone off")}><Icon name="microphoneOff" /><span class="sr-only">{t("Microphone off")}</span></span>}
        <span class="tile-who">{source === "screen" ? t("Screen of {name}", { name: person.name }) : person.name}</span>
        {mine && source === "camera" && <span class="tile-you">{t("you")}</span>}
        {large && person.city && <Whereabouts person={person} />}
      </div>
      <button
        type="button"
        class="tile-pin icon-button"
        aria-pressed={isPinned}
        aria-label={isPinned ? t("No longer keep {name} large", { name: person.name }) : t("Keep {name} large", { name: person.name })}
        onClick={() => {
          pinned.value = isPinned ? null : { identity: person.identity, source };
          if (!isPinned) session.layout.value = "stage";
        }}
        data-test="pin"
      >
        <Icon name="pin" />
      </button>
    </div>
  );
}

function NoPicture({ person, large }: { person: Participant; large: boolean }) {
  return (
    <div class="no-picture" aria-hidden="true">
      <span class={large ? "avatar large" : "avatar"}>{initials(person.name)}</span>
    </div>
  );
}

/** "Tokyo 06:42" */
export function Whereabouts({ person }: { person: Participant }) {
  const zone = cityZone(person.city);
  return (
    <span class="whereabouts tnum">
      {cityName(person.city)}
      {zone && ` ${time(now_ms.value, zone)}`}
    </span>
  );
}
