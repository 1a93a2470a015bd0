// Cities a convention may have venues in or people come from: name, zone and place on the strip.
// A city not listed is shown by its key, without a clock.

import { t } from "./i18n";

interface City {
  name: () => string;
  zone: string;
  /** Degrees east. */
  longitude: number;
}

const CITIES: Record<string, City> = {
  guangzhou: { name: () => t("Guangzhou"), zone: "Asia/Shanghai", longitude: 113 },
  shenzhen: { name: () => t("Shenzhen"), zone: "Asia/Shanghai", longitude: 114 },
  beijing: { name: () => t("Beijing"), zone: "Asia/Shanghai", longitude: 116 },
  shanghai: { name: () => t("Shanghai"), zone: "Asia/Shanghai", longitude: 121 },
  dalian: { name: () => t("Dalian"), zone: "Asia/Shanghai", longitude: 122 },
  "hong-kong": { name: () => t("Hong Kong"), zone: "Asia/Hong_Kong", longitude: 114 },
  singapore: { name: () => t("Singapore"), zone: "Asia/Singapore", longitude: 104 },
  tokyo: { name: () => t("Tokyo"), zone: "Asia/Tokyo", longitude: 140 },
  "san-francisco": { name: () => t("San Francisco"), zone: "America/Los_Angeles", longitude: -122 },
  "silicon-valley": { name: () => t("Silicon Valley"), zone: "America/Los_Angeles", longitude: -122 },
  seattle: { name: () => t("Seattle"), zone: "America/Los_Angeles", longitude: -122 },
  vancouver: { name: () => t("Vancouver"), zone: "America/Vancouver", longitude: -123 },
  boston: { name: () => t("Boston"), zone: "America/New_York", longitude: -71 },
  "new-york": { name: () => t("New York"), zone: "America/New_York", longitude: -74 },
  london: { name: () => t("London"), zone: "Europe/London", longitude: 0 },
  brussels: { name: () => t("Brussels"), zone: "Europe/Brussels", longitude: 4 },
  berlin: { name: () => t("Berlin"), zone: "Europe/Berlin", longitude: 13 },
  minsk: { name: () => t("Minsk"), zone: "Europe/Minsk", longitude: 28 },
  jerusalem: { name: () => t("Jerusalem"), zone: "Asia/Jerusalem", longitude: 35 },
};

export const CITY_KEYS = Object.keys(CITIES);

export function cityName(key: string): string {
  const known = find(key);
  if (known) return known.name();
  return key.replaceAll("-", " ").replace(/(^|\s)\p{L}/gu, (letter) => letter.toUpperCase());
}

export function cityZone(key: string): string | undefined {
  return find(key)?.zone;
}

export function cityLongitude(key: string): number | undefined {
  return find(key)?.longitude;
}

function find(key: string): City | undefined {
  return Object.hasOwn(CITIES, key) ? CITIES[key] : undefined;
}
