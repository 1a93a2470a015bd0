// The viewer's time zone: detected, shown, changeable.

import { chooseZone, viewerZone } from "../clock";
import { t } from "../i18n";

export function ZoneChoice() {
  const zones = Intl.supportedValuesOf("timeZone");
  const shown = zones.includes(viewerZone.value) ? zones : [viewerZone.value, ...zones];
  return (
    <label class="zone">
      <span>{t("Your time zone")}</span>
      <select value={viewerZone.value} onChange={(event) => chooseZone(event.currentTarget.value)} data-test="zone">
        {shown.map((zone) => <option key={zone} value={zone}>{zone.replaceAll("_", " ")}</option>)}
      </select>
    </label>
  );
}
