// The snapshot law: one fixture file holds Python and TypeScript to the same meaning of every event.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apply, merge } from "../src/state";
import type { Envelope, Live, Message } from "../src/wire";

const FIXTURES = join(import.meta.dirname, "../../../tests/contracts/snapshot_law.json");
const cases = JSON.parse(readFileSync(FIXTURES, "utf-8")) as { name: string; before: Live; event: Pick<Envelope, "name" | "data">; after: Live }[];

describe("snapshot law", () => {
  it("has a case for every event of the wire", () => {
    const wire = readFileSync(join(import.meta.dirname, "../src/wire.ts"), "utf-8");
    const table = /export interface Events \{([^}]*)\}/.exec(wire)![1]!;
    const names = [...table.matchAll(/"([a-z.]+)":/g)].map((match) => match[1]);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !cases.some(({ event }) => event.name === name))).toEqual([]);
  });

  it.each(cases.map((each) => [each.name, each] as const))("%s", (_, { before, event, after }) => {
    const untouched = structuredClone(before);
    expect(apply(before, event)).toEqual(after);
    expect(before).toEqual(untouched);
  });
});

describe("merge", () => {
  const message = (number: number, text = ""): Message => ({ id: `m${number}`, number, identity: "a", name: "A", text, sent_ms: number });

  it("orders by number and keeps one of each", () => {
    expect(merge([message(3), message(1)], [message(2), message(3, "later")]).map(({ number, text }) => [number, text])).toEqual([[1, ""], [2, ""], [3, "later"]]);
  });
});
