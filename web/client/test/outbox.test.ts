import { describe, expect, it, vi } from "vitest";
import { CallError } from "../src/calls";
import { Outbox, type SendLine } from "../src/outbox";
import type { Message } from "../src/wire";

function message(id: string, text: string, number = 1): Message {
  return { id, number, identity: "me", name: "Me", text, sent_ms: 0 };
}

function box(send: SendLine, saved: { text: string | null } = { text: null }) {
  const stored: string[] = [];
  const outbox = new Outbox(send, ({ text }) => stored.push(text), { load: () => saved.text, save: (text) => { saved.text = text; } }, async () => {});
  return { outbox, stored, saved };
}

describe("Outbox", () => {
  it("keeps what is typed offline and sends it once, in order, when the room is back", async () => {
    const sent: [string, string][] = [];
    const { outbox, stored } = box(async (id, text) => { sent.push([id, text]); return message(id, text); });
    outbox.add("one");
    outbox.add("two");
    expect(sent).toEqual([]);
    expect(outbox.waiting.value).toBe(2);
    outbox.open(true);
    await vi.waitFor(() => expect(stored).toEqual(["one", "two"]));
    expect(outbox.lines.value).toEqual([]);
    outbox.open(false);
    outbox.open(true);
    expect(sent.length).toBe(2);
  });

  it("repeats an unanswered line under the same id", async () => {
    const ids: string[] = [];
    const { outbox, stored } = box(async (id, text) => {
      ids.push(id);
      if (ids.length < 3) throw new CallError("timeout", "no answer");
      return message(id, text);
    });
    outbox.open(true);
    outbox.add("hello");
    await vi.waitFor(() => expect(stored).toEqual(["hello"]));
    expect(ids.length).toBe(3);
    expect(new Set(ids).size).toBe(1);
  });

  it("waits as long as the server asks", async () => {
    const waits: number[] = [];
    let tries = 0;
    const outbox = new Outbox(
      async (id, text) => { tries += 1; if (tries === 1) throw new CallError("rate_limited", "slow", 2.5); return message(id, text); },
      () => {},
      { load: () => null, save: () => {} },
      async (ms) => { waits.push(ms); },
    );
    outbox.open(true);
    outbox.add("hello");
    await vi.waitFor(() => expect(outbox.lines.value).toEqual([]));
    expect(waits).toEqual([2_500]);
  });

  it("shows a refused line and lets the others pass", async () => {
    const { outbox, stored } = box(async (id, text) => {
      if (text === "bad") throw new CallError("too_large", "too long");
      return message(id, text);
    });
    outbox.open(true);
    outbox.add("bad");
    outbox.add("good");
    await vi.waitFor(() => expect(stored).toEqual(["good"]));
    expect(outbox.lines.value.map(({ text, state, error }) => [text, state, error?.code])).toEqual([["bad", "refused", "too_large"]]);
  });

  it("comes back after a reload with the same ids", async () => {
    const saved = { text: null as string | null };
    box(async () => { throw new Error("unused"); }, saved).outbox.add("kept");
    const id = (JSON.parse(saved.text!) as { id: string }[])[0]!.id;
    const seen: string[] = [];
    const after = box(async (each, text) => { seen.push(each); return message(each, text); }, saved);
    after.outbox.open(true);
    await vi.waitFor(() => expect(after.stored).toEqual(["kept"]));
    expect(seen).toEqual([id]);
    expect(saved.text).toBe("[]");
  });

  it("starts empty from a damaged store", () => {
    expect(box(async () => message("", ""), { text: "{no" }).outbox.lines.value).toEqual([]);
  });
});
