// Every sentence of the client is in every catalogue, with the placeholders of its key.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lang, setLanguage, t, tn } from "../src/i18n";

const SRC = join(import.meta.dirname, "../src");

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : /\.tsx?$/.test(name) ? [path] : [];
  });
}

const text = files(SRC).map((path) => readFileSync(path, "utf-8")).join("\n");
const single = [...text.matchAll(/\bt\(\s*("(?:[^"\\]|\\.)*")/g)].map((match) => JSON.parse(match[1]!) as string);
const plural = [...text.matchAll(/\btn\(\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*")/g)].map((match) => JSON.parse(match[1]!) as string);
const catalogue = (name: string) => JSON.parse(readFileSync(join(SRC, "locales", `${name}.json`), "utf-8")) as Record<string, string | string[]>;
const placeholders = (sentence: string) => new Set(sentence.match(/\{\w+\}/g) ?? []);

describe("catalogues", () => {
  it("are asked with literal sentences only", () => {
    const calls = [...text.matchAll(/(?<![\w.])(?<!function )t\(\s*[^"\s]/g)].map((match) => match[0]);
    expect(calls).toEqual([]);
    expect(single.length).toBeGreaterThan(200);
  });

  it.each(["zh_Hans", "ja"])("%s has every sentence", (name) => {
    const messages = catalogue(name);
    expect(single.filter((key) => typeof messages[key] !== "string" || !messages[key])).toEqual([]);
    expect(plural.filter((key) => !Array.isArray(messages[key]) || !messages[key][0])).toEqual([]);
    for (const [key, value] of Object.entries(messages)) {
      for (const form of [value].flat()) expect([key, placeholders(form)]).toEqual([key, placeholders(key)]);
    }
  });

  it("change the page in place", async () => {
    await setLanguage("ja", false);
    expect(t("Chat")).toBe("チャット");
    expect(tn("{count} person", "{count} people", 3)).toBe("3名");
    await setLanguage("zh", false);
    expect(document.documentElement.lang).toBe("zh-Hans");
    expect(t("{name} raised a hand", { name: "林可 {name}" })).toBe("林可 {name}举手了");
    await setLanguage("en", false);
    expect(lang.value).toBe("en");
    expect([0, 1, 2].map((count) => tn("{count} person", "{count} people", count))).toEqual(["0 people", "1 person", "2 people"]);
  });
});
