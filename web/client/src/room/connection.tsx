// How one is connected, under the status pill: in words, then in figures of both sides, then as a
// report for support.

import { useEffect, useState } from "preact/hooks";
import { findings, percent, rate } from "../findings";
import { t } from "../i18n";
import { KEPT_MS } from "../observer";
import type { Reading, Received, Sent, Way } from "../readings";
import { report } from "../report";
import { Icon } from "../ui/icons";
import { sourceName } from "../words";
import type { Session } from "./session";

/** The way in a word or two, as pill and panel say it. */
export function wayWords(way: Way): string {
  const protocol = way.protocol.toUpperCase();
  return way.relayed ? t("through a relay ({protocol})", { protocol }) : t("direct ({protocol})", { protocol });
}

export function ConnectionPanel({ session, status }: { session: Session; status: string }) {
  useEffect(() => session.observer.watch(), []);
  const readings = session.observer.readings.value;
  const last = readings.at(-1);
  return (
    <div class="connection" data-test="connection-panel">
      <ul class="findings" data-test="findings">
        {findings(readings, session.media.paused.value.size).map(({ tone, text }) => (
          <li key={text} class={tone}><Icon name={tone === "good" ? "check" : tone === "trouble" ? "warning" : "pulse"} /><span>{text}</span></li>
        ))}
      </ul>
      {last && (
        <>
          <Ways session={session} last={last} />
          <History readings={readings} />
          {last.sent.length > 0 && <Sending sent={last.sent} />}
          {last.received.length > 0 && <Receiving session={session} received={last.received} />}
        </>
      )}
      <CopyReport session={session} status={status} />
    </div>
  );
}

function Table({ title, rows, test }: { title: string; rows: readonly (readonly [string, string, string])[]; test: string }) {
  return (
    <table class="figures" data-test={test}>
      <caption>{title}</caption>
      <thead>
        <tr>
          <td />
          <th scope="col">{t("Here")}</th>
          <th scope="col">{t("At the server")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, here, there], index) => (
          <tr key={index}>
            <th scope="row">{name}</th>
            <td class="tnum">{here}</td>
            <td class="tnum">{there}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const share = (value: number | null): string => (value === null ? "–" : percent(value));
const time = (ms: number | null | undefined): string => (ms == null ? "–" : t("{ms} ms", { ms }));

function Ways({ session, last: { way, up, down } }: { session: Session; last: Reading }) {
  const node = session.connection.node.value;
  const rows: [string, string, string][] = [
    [t("Round trip"), time(way?.rtt_ms), time(down.server_rtt_ms ?? up.server_rtt_ms)],
    [t("Lost on the way up"), share(up.loss), share(up.server_loss)],
    [t("Lost on the way down"), share(down.loss), share(down.server_loss)],
  ];
  if (down.estimate_bps !== null) rows.push([t("Your download carries"), "", rate(down.estimate_bps)]);
  return (
    <>
      {way && (
        <dl class="facts" data-test="path">
          <dt>{t("Route of sound and picture")}</dt>
          <dd><span data-test="way">{wayWords(way)}</span>{way.family && ` · ${way.family}`}</dd>
          {node && <><dt>{t("Node")}</dt><dd>{node}</dd></>}
        </dl>
      )}
      <Table title={t("Quality")} rows={rows} test="quality" />
    </>
  );
}

function Sending({ sent }: { sent: readonly Sent[] }) {
  const rows = sent.map((each): [string, string, string] => [
    [sourceName(each.source), size(each)].filter(Boolean).join(" "),
    [pace(each.fps), rate(each.bps), limit(each.limited)].filter(Boolean).join(" · "),
    each.server_bps === null ? "–" : rate(each.server_bps),
  ]);
  return <Table title={t("What you send")} rows={rows} test="sending" />;
}

function Receiving({ session, received }: { session: Session; received: readonly Received[] }) {
  const people = session.connection.live.value?.participants ?? {};
  const rows = received.map((each): [string, string, string] => [
    [people[each.identity]?.name ?? each.identity, each.source && sourceName(each.source)].filter(Boolean).join(" · "),
    [size(each), pace(each.fps), rate(each.bps), each.loss ? t("lost {percent}", { percent: percent(each.loss) }) : ""].filter(Boolean).join(" · "),
    served(each),
  ]);
  return <Table title={t("What you receive")} rows={rows} test="receiving" />;
}

const size = ({ width, height }: { width: number; height: number }): string => (width && height ? `${width}×${height}` : "");
const pace = (fps: number): string => (fps ? t("{count} pictures/s", { count: fps }) : "");

function limit(reason: string): string {
  switch (reason) {
    case "cpu": return t("held back: device busy");
    case "bandwidth": return t("held back: upload narrow");
    default: return "";
  }
}

/** What the server sends of a track, or why it does not. */
function served({ reason, server_bps, layer, fitting }: Received): string {
  switch (reason) {
    case "bandwidth": return t("paused: download narrow");
    case "held": return t("muted by a moderator");
    case "unwanted": return t("not shown");
    case "background": return t("silent: others are louder");
    case "absent":
    case "keyframe": return t("about to begin");
  }
  if (server_bps === null) return "–";
  const reduced = layer !== null && fitting !== null && layer !== fitting;
  return reduced ? t("{rate}, reduced", { rate: rate(server_bps) }) : rate(server_bps);
}

/** The last two minutes, drawn. */
function History({ readings }: { readings: readonly Reading[] }) {
  const last = readings.at(-1)!;
  return (
    <div class="sparks" data-test="history">
      <Spark name={t("Receiving")} shown={rate(last.down.bps)} readings={readings} value={({ down }) => down.bps} />
      <Spark name={t("Sending")} shown={rate(last.up.bps)} readings={readings} value={({ up }) => up.bps} />
      <Spark name={t("Round trip")} shown={time(last.way?.rtt_ms)} readings={readings} value={({ way }) => way?.rtt_ms ?? null} />
      <Spark name={t("Lost")} shown={share(worst(last))} readings={readings} value={worst} least={0.05} />
    </div>
  );
}

function worst({ up, down }: Reading): number | null {
  const known = [up.server_loss ?? up.loss, down.loss].filter((loss) => loss !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

interface SparkProps {
  name: string;
  shown: string;
  readings: readonly Reading[];
  value: (reading: Reading) => number | null;
  /** The height of the picture stands for at least this. */
  least?: number;
}

const WIDTH = 120;
const HEIGHT = 32;

function Spark({ name, shown, readings, value, least = 1 }: SparkProps) {
  const end = readings.at(-1)!.at_ms;
  const known = readings.flatMap((reading) => {
    const found = value(reading);
    return found === null ? [] : [[reading.at_ms, found] as const];
  });
  const top = Math.max(least, ...known.map(([, found]) => found)) * 1.1;
  const points = known.map(([at, found]) => `${(WIDTH * (1 - (end - at) / KEPT_MS)).toFixed(1)},${(HEIGHT * (1 - found / top)).toFixed(1)}`);
  return (
    <figure class="spark">
      <figcaption>{name} <b class="tnum">{shown}</b></figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        <polyline points={points.join(" ")} />
      </svg>
    </figure>
  );
}

function CopyReport({ session, status }: { session: Session; status: string }) {
  const [said, say] = useState("");
  const copy = async () => {
    const { connection, media, observer } = session;
    const text = report({
      session: connection.me.value?.session ?? "",
      room: session.room,
      node: connection.node.value,
      status,
      mode: media.mode.value,
      publisher: media.publisher.state.value,
      subscriber: media.subscriber.state.value,
    }, observer.readings.value, observer.latest);
    try {
      await navigator.clipboard.writeText(text);
      say(t("Copied. Paste it into your message to support."));
    } catch {
      save(text);
      say(t("Saved as a file. Attach it to your message to support."));
    }
  };
  return (
    <div class="copy-report">
      <button type="button" class="button" onClick={() => void copy()} data-test="copy-report">{t("Copy report for support")}</button>
      <p class="muted" role="status">{said || t("Figures and ids only: no names, no addresses, nothing that was said.")}</p>
    </div>
  );
}

function save(text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "yunhai-connection.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
