// The entrance: what is on now across the venues, and how to get in.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { CallError } from "../calls";
import { startClock } from "../clock";
import { ask, type RoomList } from "../http";
import { loadLanguage, t } from "../i18n";
import { forgetToken, storedToken } from "../token";
import { Logo } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { Announcer } from "../ui/say";
import { explainCode, roleName } from "../words";
import { CreateRoom } from "./create";
import { Invitation } from "./invitation";
import { Cities, RoomsSkeleton } from "./rooms";
import { WorldStrip } from "./strip";
import { ZoneChoice } from "./zone";

const AGAIN_MS = 15_000;

const token = signal(storedToken());
const list = signal<RoomList | null>(null);
const error = signal<CallError | null>(null);
const creating = signal(false);

async function load(): Promise<void> {
  const held = token.value;
  if (!held) return;
  try {
    list.value = await ask<RoomList>("/api/v1/rooms", held);
    error.value = null;
  } catch (cause) {
    error.value = cause instanceof CallError ? cause : new CallError("internal", String(cause));
    if (error.value.code === "bad_token") {
      forgetToken();
      token.value = null;
    }
  }
}

function useRooms(): void {
  useEffect(() => {
    const stop = startClock();
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, AGAIN_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, []);
}

function Entrance() {
  useRooms();
  const { rooms = [], you } = list.value ?? {};
  const cities = [...new Set(rooms.map((room) => room.city).filter(Boolean))];
  return (
    <>
      <a class="skip" href="#main">{t("Skip to the rooms")}</a>
      <header class="page-head">
        <a class="brand" href="/"><Logo /><span>{t("Yunhai")}</span></a>
        {you && <p class="who"><span class="who-name">{you.name}</span> <span class="tag">{roleName(you.role)}</span></p>}
        <LanguageChoice />
      </header>
      <main id="main" tabIndex={-1}>
        <div class="lead">
          <h1>{t("One venue, many cities")}</h1>
          <p class="muted">{t("People in different cities see, hear and read each other here. Choose a room and walk in.")}</p>
        </div>
        <WorldStrip cities={cities} />
        {token.value === null ? (
          <Invitation expired={error.value?.code === "bad_token"} onToken={(given) => { token.value = given; error.value = null; void load(); }} />
        ) : (
          <section aria-labelledby="rooms-title">
            <div class="section-head">
              <h2 id="rooms-title">{t("Open now")}</h2>
              {you?.role === "moderator" && (
                <button type="button" class="button" data-test="create-room" onClick={() => { creating.value = true; }}>{t("Create a room")}</button>
              )}
            </div>
            {error.value && <LoadError stale={list.value !== null} />}
            {list.value ? <Cities rooms={rooms} moderator={you?.role === "moderator"} /> : !error.value && <RoomsSkeleton />}
          </section>
        )}
      </main>
      <footer class="page-foot"><ZoneChoice /></footer>
      {creating.value && token.value && (
        <CreateRoom token={token.value} onClose={() => { creating.value = false; }} onCreated={() => { creating.value = false; void load(); }} />
      )}
      <Announcer />
    </>
  );
}

function LoadError({ stale }: { stale: boolean }) {
  const { cause, next } = explainCode(error.value!.code);
  return (
    <div class="note warning" role="alert" data-test="rooms-error">
      <p>
        <strong>{cause}</strong> {next}
        {stale && <span class="muted"> {t("The list below is from before.")}</span>}
      </p>
      <button type="button" class="button small" onClick={() => void load()}>{t("Try again")}</button>
    </div>
  );
}

await loadLanguage();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<Entrance />, root);
