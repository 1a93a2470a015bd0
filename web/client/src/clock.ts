// Times as people read them: always the venue's and the viewer's, with the day between them said.

import { signal } from "@preact/signals";
import { tag, t, tn } from "./i18n";

/** Milliseconds to add to our clock to get the server's. */
export const offset_ms = signal(0);

/** The server's time now, whole seconds; ticks while a page is watched. */
export const now_ms = signal(Date.now());

const ZONE_KEY = "yunhai.zone";

/** The viewer's zone: detected, or what they chose. */
export const viewerZone = signal(storedZone());

function storedZone(): string {
  const stored = localStorage.getItem(ZONE_KEY);
  return stored && isZone(stored) ? stored : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

export function chooseZone(zone: string): void {
  if (!isZone(zone)) return;
  viewerZone.value = zone;
  localStorage.setItem(ZONE_KEY, zone);
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}

export function startClock(): () => void {
  const tick = () => {
    now_ms.value = Date.now() + offset_ms.value;
  };
  tick();
  const timer = setInterval(tick, 1000);
  return () => clearInterval(timer);
}

/** Set the offset from a server time that arrived between two moments of our clock. */
export function setServerClock(server_ms: number, asked_ms: number, answered_ms: number): void {
  offset_ms.value = Math.round(server_ms - (asked_ms + answered_ms) / 2);
}

/** "10:00" */
export function time(at_ms: number, zone: string): string {
  return new Intl.DateTimeFormat(tag(), { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at_ms);
}

/** "Sat 19 Dec" */
export function day(at_ms: number, zone: string): string {
  const text = new Intl.DateTimeFormat(tag(), { timeZone: zone, weekday: "short", day: "numeric", month: "short" }).format(at_ms);
  return text.replace(",", "");
}

/** Calendar days between the viewer's date and the venue's: −1 when it is still yesterday here. */
export function dayShift(at_ms: number, zone: string, viewer: string): number {
  const date = (where: string) => {
    const parts = new Intl.DateTimeFormat("en-CA", { timeZone: where, year: "numeric", month: "2-digit", day: "2-digit" }).format(at_ms);
    return Date.parse(`${parts}T00:00:00Z`);
  };
  return Math.round((date(viewer) - date(zone)) / 86_400_000);
}

export interface Clocks {
  /** "Sat 19 Dec 10:00 Guangzhou" */
  venue: string;
  /** "Fri 18 Dec 18:00 you (−1 day)", or "" when both clocks read the same. */
  viewer: string;
}

export function twoClocks(at_ms: number, zone: string, place: string): Clocks {
  const here = viewerZone.value;
  const venue = t("{day} {time} {place}", { day: day(at_ms, zone), time: time(at_ms, zone), place });
  const shift = dayShift(at_ms, zone, here);
  if (shift === 0 && time(at_ms, zone) === time(at_ms, here)) return { venue, viewer: "" };
  const values = { day: day(at_ms, here), time: time(at_ms, here) };
  const viewer = shift === 0 ? t("{day} {time} you", values) : t("{day} {time} you ({shift})", { ...values, shift: shiftName(shift) });
  return { venue, viewer };
}

function shiftName(shift: number): string {
  return shift < 0
    ? tn("−{count} day", "−{count} days", -shift)
    : tn("+{count} day", "+{count} days", shift);
}

/** Hours and minutes of the day in a zone, as a fraction of 24 h. */
export function dayFraction(at_ms: number, zone: string): number {
  const [hour, minute] = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
    .format(at_ms)
    .split(":")
    .map(Number);
  return ((hour ?? 0) * 60 + (minute ?? 0)) / 1440;
}

/** "5 h 30 min ahead of you", "8 h behind you", "same time as you". */
export function zoneDistance(at_ms: number, zone: string): string {
  const minutes = offsetMinutes(at_ms, zone) - offsetMinutes(at_ms, viewerZone.value);
  if (minutes === 0) return t("same time as you");
  const span = spanName(Math.abs(minutes));
  return minutes > 0 ? t("{span} ahead of you", { span }) : t("{span} behind you", { span });
}

function spanName(minutes: number): string {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (rest === 0) return t("{hours} h", { hours });
  return t("{hours} h {minutes} min", { hours, minutes: rest });
}

function offsetMinutes(at_ms: number, zone: string): number {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-US", {
      timeZone: zone, year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23",
    }).formatToParts(at_ms).map(({ type, value }) => [type, Number(value)]),
  ) as Record<string, number>;
  const local = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"]!, parts["hour"]!, parts["minute"]!, parts["second"]!);
  return Math.round((local - at_ms) / 60_000);
}
