import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff_ms, NodeList } from "../src/nodes";
import { Recovery, type Step } from "../src/recovery";

describe("Recovery", () => {
  let steps: Step[];
  let recovery: Recovery;
  beforeEach(() => {
    vi.useFakeTimers();
    steps = [];
    recovery = new Recovery(async (step) => { steps.push(step); });
  });
  afterEach(() => vi.useRealTimers());

  it("restarts ICE at once on failure, then tries a new connection, waiting longer each time", async () => {
    recovery.report("failed");
    await vi.advanceTimersByTimeAsync(0);
    expect(steps).toEqual(["restart"]);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(steps.slice(0, 4)).toEqual(["restart", "anew", "restart", "anew"]);
    expect(steps.length).toBeLessThan(10);
  });

  it("gives a short interruption time to heal by itself", async () => {
    recovery.report("disconnected");
    await vi.advanceTimersByTimeAsync(2_000);
    recovery.report("connected");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(steps).toEqual([]);
  });

  it("acts when an interruption lasts", async () => {
    recovery.report("disconnected");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(steps).toEqual(["restart"]);
  });

  it("waits while the room itself is away and goes on at once when it is back", async () => {
    recovery.online(false);
    recovery.report("failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(steps).toEqual([]);
    recovery.online(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(steps).toEqual(["restart"]);
  });

  it("leaves alone what is connected before the answer to a restart comes", async () => {
    recovery = new Recovery(async (step) => {
      steps.push(step);
      recovery.report("connected");
    });
    recovery.report("failed");
    await vi.advanceTimersByTimeAsync(120_000);
    expect(steps).toEqual(["restart"]);
  });

  it("survives an attempt that fails", async () => {
    recovery = new Recovery(async (step) => { steps.push(step); throw new Error("offline"); });
    recovery.report("failed");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(steps.slice(0, 2)).toEqual(["restart", "anew"]);
    recovery.reset();
    const before = steps.length;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(steps.length).toBe(before);
  });
});

describe("nodes", () => {
  it("waits longer after each attempt, up to a bound, never all clients at once", () => {
    const most = [1, 2, 3, 4, 5, 6, 9].map((attempt) => backoff_ms(attempt, () => 1));
    expect(most).toEqual([300, 600, 1_200, 2_400, 4_800, 8_000, 8_000]);
    expect(backoff_ms(3, () => 0)).toBe(600);
  });

  it("stays where it is, and goes round the others when that fails", () => {
    const nodes = new NodeList("http://a");
    nodes.learn(["http://a/", "http://b", "http://c", "javascript:alert(1)", "nonsense"], "http://a");
    const order = Array.from({ length: 4 }, () => { const url = nodes.next(); nodes.failed(url); return url; });
    expect(order).toEqual(["http://a", "http://b", "http://c", "http://a"]);
  });

  it("keeps the only node it knows", () => {
    const nodes = new NodeList("http://a");
    nodes.failed("http://a");
    expect(nodes.next()).toBe("http://a");
  });
});
