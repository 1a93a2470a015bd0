import { afterEach, describe, expect, it } from "vitest";
import { chooseZone, dayShift, isZone, twoClocks, viewerZone, zoneDistance } from "../src/clock";

const at = Date.parse("2026-12-19T02:00:00Z");
const zone = viewerZone.value;

afterEach(() => {
  viewerZone.value = zone;
});

describe("two clocks", () => {
  it("say both times and the day between them", () => {
    viewerZone.value = "America/Los_Angeles";
    expect(twoClocks(at, "Asia/Shanghai", "Guangzhou")).toEqual({ venue: "Sat 19 Dec 10:00 Guangzhou", viewer: "Fri 18 Dec 18:00 you (−1 day)" });
    viewerZone.value = "Asia/Tokyo";
    expect(twoClocks(at, "Asia/Shanghai", "Guangzhou").viewer).toBe("Sat 19 Dec 11:00 you");
    expect(twoClocks(at, "America/Los_Angeles", "San Francisco").viewer).toBe("Sat 19 Dec 11:00 you (+1 day)");
  });

  it("say one time when both are the same", () => {
    viewerZone.value = "Asia/Singapore";
    expect(twoClocks(at, "Asia/Shanghai", "Guangzhou").viewer).toBe("");
  });

  it.each([
    ["2026-03-08T09:59:00Z", "Asia/Shanghai", "America/Los_Angeles", 0 - 0],
    ["2026-03-08T16:00:00Z", "Asia/Shanghai", "America/Los_Angeles", -1],
    ["2026-11-01T09:30:00Z", "Europe/London", "America/Los_Angeles", 0],
    ["2026-12-31T15:30:00Z", "America/Los_Angeles", "Asia/Tokyo", 1],
  ])("at %s between %s and %s the day moves by %i", (when, venue, viewer, shift) => {
    expect(dayShift(Date.parse(when), venue, viewer)).toBe(shift);
  });

  it("say how far a zone is, half hours too", () => {
    viewerZone.value = "Asia/Shanghai";
    expect(zoneDistance(at, "Asia/Kolkata")).toBe("2 h 30 min behind you");
    expect(zoneDistance(at, "Asia/Tokyo")).toBe("1 h ahead of you");
    expect(zoneDistance(at, "Asia/Singapore")).toBe("same time as you");
  });

  it("keep the viewer's choice and refuse nonsense", () => {
    chooseZone("Mars/Olympus");
    expect(viewerZone.value).toBe(zone);
    chooseZone("Asia/Tokyo");
    expect(localStorage.getItem("yunhai.zone")).toBe("Asia/Tokyo");
    localStorage.removeItem("yunhai.zone");
    expect(isZone("")).toBe(false);
  });
});
