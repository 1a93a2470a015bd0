// Rooms by city, each city with its two clocks.

import { cityName } from "../cities";
import type { ListedRoom } from "../http";
import { LANGS, t, tn } from "../i18n";
import { TwoClocks } from "../ui/clocks";
import { Icon } from "../ui/icons";
import { kindName, otherNames, roomName } from "../words";

export function Cities({ rooms, moderator }: { rooms: readonly ListedRoom[]; moderator: boolean }) {
  if (rooms.length === 0) {
    return (
      <div class="empty" data-test="rooms-empty">
        <p><strong>{t("No room is open yet.")}</strong></p>
        <p class="muted">
          {moderator
            ? t("Create the first one: people with an invitation will see it here at once.")
            : t("Rooms appear here by themselves as soon as the organisers open them.")}
        </p>
      </div>
    );
  }
  const cities = [...new Set(rooms.map((room) => room.city))].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : 0));
  return (
    <div class="cities">
      {cities.map((city) => {
        const here = rooms.filter((room) => room.city === city);
        return (
          <section key={city} class={`city span-${Math.min(3, here.length)}`} aria-label={city ? cityName(city) : t("Online")} data-test={`city-${city || "online"}`}>
            <div class="city-head">
              <h3>{city ? cityName(city) : t("Online")}</h3>
              {city && <TwoClocks zone={here[0]!.zone} place={cityName(city)} />}
            </div>
            <ul class="cards">
              {here.map((room) => <li key={room.id}><RoomCard room={room} /></li>)}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function RoomCard({ room }: { room: ListedRoom }) {
  const closed = room.open === false;
  const content = (
    <>
      <span class="card-top">
        <span class="tag">{kindName(room.kind)}</span>
        <span class={room.people > 0 ? "card-people some" : "card-people"} data-test="room-people">
          <Icon name="people" />
          {room.people > 0 ? tn("{count} person in", "{count} people in", room.people) : t("Nobody is in yet")}
        </span>
      </span>
      <span class="card-name">{roomName(room)}</span>
      <span class="card-other">
        {otherNames(room).map(({ lang, name }) => (
          <span key={lang} lang={LANGS.find(({ id }) => id === lang)?.tag ?? lang}>{name}</span>
        ))}
      </span>
      <span class="card-foot">
        {closed ? t("Your invitation does not open this room") : <span class="card-enter">{t("Enter")}<Icon name="forward" /></span>}
      </span>
    </>
  );
  if (closed) return <div class="card closed" data-test={`room-card-${room.id}`}>{content}</div>;
  return <a class="card" href={`/rooms/${room.id}`} data-test={`room-card-${room.id}`}>{content}</a>;
}

export function RoomsSkeleton() {
  return (
    <div aria-busy="true" data-test="rooms-loading">
      <p class="sr-only" role="status">{t("Loading…")}</p>
      <div class="city">
        <div class="bone title" />
        <ul class="cards">{[1, 2, 3].map((key) => <li key={key}><div class="card bone" /></li>)}</ul>
      </div>
    </div>
  );
}
