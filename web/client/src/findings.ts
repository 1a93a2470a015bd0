// What a connection's figures mean for the person: few sentences, the worst first.

import { tag, t } from "./i18n";
import type { Reading } from "./readings";

export interface Finding {
  tone: "good" | "trouble" | "note";
  text: string;
}

/** Figures of so long are taken together: a single lost packet is no news. */
const WINDOW_MS = 10_000;
const LOSS = 0.02;
const SLOW_MS = 300;

export function findings(readings: readonly Reading[], paused: number): Finding[] {
  const last = readings.at(-1);
  if (!last) return [{ tone: "note", text: t("Nothing is measured yet.") }];
  const recent = readings.filter(({ at_ms }) => at_ms > last.at_ms - WINDOW_MS);
  const found: Finding[] = [];
  const trouble = (text: string) => found.push({ tone: "trouble", text });
  const up = mean(recent.map((each) => each.up.server_loss ?? each.up.loss));
  if (up >= LOSS) trouble(t("Others may see you blurred or hear gaps: your upload loses {percent}.", { percent: percent(up) }));
  const down = mean(recent.map((each) => each.down.loss));
  if (down >= LOSS) trouble(t("Others may look blurred or sound broken: your download loses {percent}.", { percent: percent(down) }));
  const carried = last.down.estimate_bps;
  if (paused > 0) trouble(carried === null ? t("Some pictures are paused because your download is too narrow.") : t("Some pictures are paused because your download carries only {rate}.", { rate: rate(carried) }));
  else if (carried !== null && last.received.some(({ layer, fitting, reason }) => !reason && layer !== null && fitting !== null && layer !== fitting)) {
    trouble(t("Pictures are reduced because your download carries only {rate}.", { rate: rate(carried) }));
  }
  // Every camera begins small and grows: only what stays so is a trouble.
  const long = last.at_ms - recent[0]!.at_ms >= 0.8 * WINDOW_MS;
  const limited = (by: string) => long && recent.every(({ sent }) => sent.some((each) => each.limited === by));
  if (limited("cpu")) trouble(t("Your picture is sent smaller because this device is busy."));
  if (limited("bandwidth")) trouble(t("Your picture is sent smaller because your upload is narrow just now."));
  const trip = mean(recent.map(({ way }) => way?.rtt_ms ?? null));
  if (trip >= SLOW_MS) trouble(t("Answers come late: a round trip takes {ms} ms.", { ms: Math.round(trip) }));
  if (found.length === 0 && last.way) found.push({ tone: "good", text: t("Your connection is good.") });
  if (last.way && last.way.protocol !== "udp") found.push({ tone: "note", text: t("This network blocks UDP, so sound and picture go by TCP and may stutter.") });
  else if (last.way?.relayed) found.push({ tone: "note", text: t("This network allows no direct way, so sound and picture go through a relay.") });
  return found.length > 0 ? found : [{ tone: "note", text: t("No sound or picture passes just now.") }];
}

function mean(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : 0;
}

export function percent(share: number): string {
  return new Intl.NumberFormat(tag(), { style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 }).format(share);
}

/** A bit rate; below a megabit in thousands. */
export function rate(bps: number): string {
  const [value, unit] = bps >= 1e6 ? [bps / 1e6, "Mbit/s"] : [bps / 1e3, "kbit/s"];
  return `${new Intl.NumberFormat(tag(), { maximumFractionDigits: value < 10 && bps >= 1e6 ? 1 : 0 }).format(value)} ${unit}`;
}
