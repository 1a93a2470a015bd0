// Pictures: one large with a strip of the others, or everybody equal in a grid.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { featured, fitGrid, PAGE, shownPeople, type Shown } from "../layout";
import { Icon } from "../ui/icons";
import { Tile } from "./tile";
import type { Session } from "./session";

export function Pictures({ session }: { session: Session }) {
  const { connection, media, layout, pinned } = session;
  const live = connection.live.value!;
  const me = connection.me.value!.identity;
  const people = shownPeople(live, media.recentSpeakers.value);
  if (people.length === 0) return <Quiet session={session} />;
  if (layout.value === "grid") return <GridView session={session} people={people} />;
  const large = featured(live, me, pinned.value, media.recentSpeakers.value);
  const chosen = large && (people.find(({ person }) => person.identity === large.identity) ?? shownOf(session, large.identity));
  const strip = people.filter(({ person }) => !(large?.source === "camera" && person.identity === large.identity));
  const alone = people.length === 1 && people[0]!.person.identity === me && large?.source === "camera";
  return (
    <div class="stage-view" data-test="stage">
      <div class="stage-large">
        {chosen && large && <Tile key={`${large.identity} ${large.source}`} session={session} shown={chosen} source={large.source} large />}
        {alone && <p class="alone" data-test="alone">{t("You are the first one here. Others appear as soon as they enter.")}</p>}
      </div>
      {strip.length > 0 && (
        <div class="stage-strip" role="list" aria-label={t("People in the picture")} data-test="strip" tabIndex={0}>
          {strip.slice(0, PAGE.wide).map((shown) => (
            <div role="listitem" key={shown.person.identity}><Tile session={session} shown={shown} /></div>
          ))}
        </div>
      )}
    </div>
  );
}

function shownOf(session: Session, identity: string): Shown | null {
  const live = session.connection.live.value!;
  const person = live.participants[identity];
  if (!person) return null;
  const of = (source: string) => Object.values(live.tracks).find((track) => track.identity === identity && track.source === source);
  return { person, camera: of("camera"), screen: of("screen"), microphone: of("microphone") };
}

function Quiet({ session }: { session: Session }) {
  const mayPublish = session.may("publish.camera");
  return (
    <div class="quiet" data-test="quiet">
      <h2>{t("Nothing is on yet")}</h2>
      <p class="muted">
        {mayPublish
          ? t("Switch on your camera or microphone, or share a screen: you will be seen and heard by everybody here.")
          : t("You will see and hear the speakers here as soon as they begin. The chat is open.")}
      </p>
    </div>
  );
}

function GridView({ session, people }: { session: Session; people: Shown[] }) {
  const element = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 960, height: 540 });
  const [page, setPage] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setSize({ width: entry!.contentRect.width, height: entry!.contentRect.height }));
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  const tiles = people.flatMap((shown) => [
    ...(shown.screen ? [{ shown, source: "screen" as const }] : []),
    { shown, source: "camera" as const },
  ]);
  const narrow = size.width < 600;
  const perPage = narrow ? PAGE.narrow : PAGE.wide;
  const pages = Math.ceil(tiles.length / perPage);
  const current = Math.min(page, pages - 1);
  const here = tiles.slice(current * perPage, (current + 1) * perPage);
  // A tall area (a phone) is filled better by squarer tiles.
  const grid = fitGrid(here.length, size.width, size.height, size.height > size.width ? 4 / 3 : 16 / 9);
  return (
    <div class="grid-view" data-test="grid">
      <div class="grid-area" ref={element}>
        <div class="grid" style={{ maxWidth: `${grid.columns * (grid.width + 8)}px` }}>
          {here.map(({ shown, source }) => (
            <div key={`${shown.person.identity} ${source}`} style={{ width: `${grid.width}px`, height: `${grid.height}px` }}>
              <Tile session={session} shown={shown} source={source} />
            </div>
          ))}
        </div>
      </div>
      {pages > 1 && (
        <nav class="pager" aria-label={t("Pages of the grid")}>
          <button type="button" class="icon-button" disabled={current === 0} onClick={() => setPage(current - 1)} aria-label={t("Page before")}><Icon name="back" /></button>
          <span class="tnum">{current + 1} / {pages}</span>
          <button type="button" class="icon-button" disabled={current === pages - 1} onClick={() => setPage(current + 1)} aria-label={t("Next page")}><Icon name="forward" /></button>
        </nav>
      )}
    </div>
  );
}
