// Two clocks: the venue's and the viewer's.

import { now_ms, twoClocks, zoneDistance } from "../clock";
import { Icon } from "./icons";

export function TwoClocks({ zone, place, at_ms = now_ms.value }: { zone: string; place: string; at_ms?: number }) {
  const { venue, viewer } = twoClocks(at_ms, zone, place);
  return (
    <span class="clocks tnum" title={zoneDistance(at_ms, zone)} data-test="clocks">
      <Icon name="clock" />
      <span>{venue}{viewer && " ·"}</span>
      {viewer && <span>{viewer}</span>}
    </span>
  );
}
