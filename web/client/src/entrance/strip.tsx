// The world as one strip, cut in the Atlantic: where it is day now, and what time it is in each city.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { cityLongitude, cityName, cityZone } from "../cities";
import { now_ms, time, viewerZone, day } from "../clock";
import { t } from "../i18n";

/** Degrees east of the strip's left edge. */
const EDGE = -25;
const STOPS = 36;

/** About how wide a label is, px: its letters, the time, the padding and a gap to its neighbour. */
function labelWidth(name: string): number {
  const letters = [...name].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 14.5 : 8), 0);
  return Math.ceil(letters) + 84;
}

function place(longitude: number): number {
  return (((longitude - EDGE) % 360) + 360) % 360 / 360;
}

/** How high the sun stands at a longitude, −1 (midnight) to 1 (noon); seasons left out. */
function daylight(at_ms: number, longitude: number): number {
  const solar = ((at_ms / 3_600_000) + longitude / 15) % 24;
  return Math.cos(((solar - 12) / 12) * Math.PI);
}

type Colour = readonly [number, number, number];
const SKY: readonly (readonly [number, Colour])[] = [
  [-1, [13, 20, 34]],
  [-0.25, [28, 44, 78]],
  [0, [126, 126, 158]],
  [0.12, [226, 196, 178]],
  [0.35, [196, 216, 242]],
  [1, [222, 234, 250]],
];

function sky(height: number): string {
  const after = Math.max(1, SKY.findIndex(([at]) => at >= height));
  const [from, low] = SKY[after - 1]!;
  const [to, high] = SKY[after]!;
  const share = (height - from) / (to - from);
  return `rgb(${low.map((value, index) => Math.round(value + (high[index]! - value) * share)).join(" ")})`;
}

export function WorldStrip({ cities }: { cities: readonly string[] }) {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1000);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  // The sky moves slowly enough for one picture a minute.
  const minute_ms = Math.floor(now_ms.value / 60_000) * 60_000;
  const marks = cities
    .flatMap((key) => {
      const longitude = cityLongitude(key);
      const zone = cityZone(key);
      return longitude === undefined || !zone ? [] : [{ key, zone, x: place(longitude) * width }];
    })
    .sort((a, b) => a.x - b.x);
  const levels: number[] = [];
  const placed = marks.map((mark) => {
    const name = cityName(mark.key);
    const wide = labelWidth(name);
    const left = Math.min(Math.max(6, mark.x - wide / 2), width - wide);
    let level = levels.findIndex((end) => end <= left);
    if (level < 0) level = levels.push(0) - 1;
    levels[level] = left + wide;
    return { ...mark, name, left, level };
  });
  const rows = Math.max(1, levels.length);
  return (
    <div class={`strip rows-${Math.min(rows, 4)}`} ref={element} data-test="world-strip">
      <svg class="strip-sky" preserveAspectRatio="none" viewBox="0 0 100 10" aria-hidden="true">
        <defs>
          <linearGradient id="sky">
            {Array.from({ length: STOPS + 1 }, (_, index) => (
              <stop key={index} offset={index / STOPS} stop-color={sky(daylight(minute_ms, EDGE + (index / STOPS) * 360))} />
            ))}
          </linearGradient>
        </defs>
        <rect width="100" height="10" fill="url(#sky)" />
      </svg>
      <ul class="strip-cities">
        {placed.map(({ key, name, zone, x, left, level }) => (
          <li key={key}>
            <span class="strip-line" style={{ left: `${x}px`, top: `${level * 40 + 34}px` }} />
            <span class="strip-label" style={{ left: `${left}px`, top: `${level * 40 + 6}px` }}>
              <span class="strip-city">{name}</span>
              <span class="strip-time tnum">{time(minute_ms, zone)}</span>
            </span>
          </li>
        ))}
      </ul>
      <p class="strip-you tnum">
        {t("Your time: {day} {time}", { day: day(minute_ms, viewerZone.value), time: time(minute_ms, viewerZone.value) })}
      </p>
    </div>
  );
}
